"""Running scripts in processes forked from one that has imported the large packages, which takes seconds."""
import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile

from tests import two_blocks  # noqa: F401 (the scripts know it too)

_context = multiprocessing.get_context('forkserver')
_context.set_forkserver_preload(['mindspore', 'sklearn.datasets', 'sklearn.model_selection', 'matplotlib.figure'])


def run(command, timeout, cwd=None) -> subprocess.CompletedProcess:
    """Run [script, argument, ...] as `subprocess.run([python, ...], capture_output=True, text=True)` does."""
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ('out', 'err')]
        process = _context.Process(target=_main, args=(command, dict(os.environ), str(cwd or os.getcwd()), files))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        texts = []
        for path in files:
            with open(path, encoding='utf-8') as file:
                texts.append(file.read())
    return subprocess.CompletedProcess(command, process.exitcode, *texts)


def _main(command, environment, folder, files) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(files, start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    sys.argv, sys.path[0] = command, os.path.dirname(command[0])
    try:
        runpy.run_path(command[0], run_name='__main__')
    finally:
        atexit._run_exitfuncs()  # a forked process of multiprocessing leaves them out
