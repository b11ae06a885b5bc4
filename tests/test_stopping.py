"""Signals at any time: stopping at once if nothing must be saved, else between two steps; exit code 130."""
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from tinynets import stopping

COMMAND = '''
import ctypes, os, subprocess, sys, tempfile, time
from tinynets import stopping
from tinynets.files import replacing
from tinynets.runtime import Interrupted, run_entry
FOLDER = sys.argv[1]

def ready():
    open(os.path.join(FOLDER, 'ready'), 'w').close()

def main():
    {body}
say = stopping._say
stopping._say = lambda message: (time.sleep(0.3), say(message))  # the last thing: until then the work might continue
run_entry(main)
'''


def hears_all():
    """SIGHUP is not ignored, even if the tests were started by nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def started(body, folder, *, before='', **options):
    """Start a command that runs `body`; return when it is ready."""
    folder.mkdir(exist_ok=True)
    (folder / 'tmp').mkdir()
    code = COMMAND.format(body='\n    '.join(body.strip().splitlines()))
    process = subprocess.Popen([*before.split(), sys.executable, '-c', code, str(folder)], cwd=ROOT, text=True,
                               env={**os.environ, 'TMPDIR': str(folder / 'tmp')}, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True, preexec_fn=hears_all, **options)
    until = time.monotonic() + 60
    while not (folder / 'ready').exists():
        assert process.poll() is None and time.monotonic() < until, process.communicate()
        time.sleep(0.02)
    return process


WORKS = {
    'sleeps': 'ready()\ntime.sleep(60)',
    'calls C': '''
mutex, library = (ctypes.c_char * 64)(), ctypes.CDLL(None)
library.pthread_mutex_lock(mutex)
ready()
library.pthread_mutex_lock(mutex)''',
    'catches everything': '''
ready()
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass''',
    'holds a folder': '''
with tempfile.TemporaryDirectory() as folder:
    open(os.path.join(folder, 'half'), 'w').close()
    ready()
    time.sleep(60)''',
    'writes in a folder': '''
from tinynets.files import workplace
with workplace() as folder:
    ready()
    while True:
        open(os.path.join(folder, 'half'), 'w').close()''',
    'needs a child': '''
child = subprocess.Popen(['sleep', '60'])
ready()
if child.wait():
    raise ValueError('the child ended badly')''',
    'waits for a child': '''
child = subprocess.Popen(['sleep', '60'])
open(os.path.join(FOLDER, 'child'), 'w').write(str(child.pid))
ready()
child.wait()
time.sleep(60)''',
}


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1], ids=lambda n: n.name)
@pytest.mark.parametrize('work', WORKS)
def test_work_with_nothing_to_save_ends_at_once(work, number, tmp_path):
    if number in (signal.SIGTERM, signal.SIGUSR1) and work not in ('calls C', 'catches everything'):
        number = signal.SIGINT  # each kind of work and each signal, not all pairs
    process = started(WORKS[work], tmp_path)
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (130, '', 'interrupted\n')
    assert not os.listdir(tmp_path / 'tmp')
    if work == 'waits for a child':
        child = int((tmp_path / 'child').read_text())
        until = time.monotonic() + 10
        while os.path.exists(f'/proc/{child}') and 'Z' not in open(f'/proc/{child}/stat').read().split()[2]:
            assert time.monotonic() < until
            time.sleep(0.05)


@pytest.mark.parametrize('number, insists', [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGHUP, False),
                                             (signal.SIGUSR1, False)])
def test_only_who_asks_again_does_not_want_to_wait(number, insists):
    """A terminal that closes and a batch system send their signals more than once, to let the work be saved."""
    stop = stopping.Stop()
    assert not stop.insists(number)
    stop.note()
    assert not stop.insists(number)  # the same request, twice
    stop.requested_at -= stopping.TWICE
    assert stop.insists(number) == insists


SAVES = '''
with stopping.Stop('early', deferring=False) as stop:
    {early}
    stop.defer()
    ready()
    while not stop.requested:
        time.sleep(0.01)
    time.sleep({saving})
    open(os.path.join(FOLDER, 'saved'), 'w').close()
    raise Interrupted('all is saved')
'''


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1], ids=lambda n: n.name)
def test_work_with_something_to_save_saves_and_one_request_may_come_twice(number, tmp_path):
    """`timeout` signals a process and then its group; a closing terminal sends SIGHUP twice."""
    process = started(SAVES.format(early='pass', saving=0.5), tmp_path)
    process.send_signal(number)
    time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, 'all is saved\n') and (tmp_path / 'saved').exists()


def test_who_insists_does_not_wait_and_who_hangs_up_does(tmp_path):
    for name, number, saved in (('a', signal.SIGINT, False), ('b', signal.SIGHUP, True)):
        process = started(SAVES.format(early='pass', saving=3), tmp_path / name)
        process.send_signal(number)
        time.sleep(1.3)
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == 130 and (tmp_path / name / 'saved').exists() == saved


def test_before_there_is_something_to_save_a_block_ends_with_its_message(tmp_path):
    process = started(SAVES.format(early='ready(); time.sleep(60)', saving=0), tmp_path)
    process.send_signal(signal.SIGTERM)
    assert (process.communicate(timeout=20)[1], process.returncode) == ('early\n', 130)


@pytest.mark.parametrize('lock', ['__import__("_imp").acquire_lock()',
                                  '__import__("threading")._active_limbo_lock.acquire()'])
def test_a_process_that_is_stopped_within_an_import_or_the_start_of_a_thread_ends_at_once(lock, tmp_path):
    """Its main thread is held with the lock, which the clean-up must not need."""
    body = f'''
with tempfile.TemporaryDirectory() as folder:
    {lock}
    ready()
    time.sleep(60)'''
    process = started(body, tmp_path)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert (*process.communicate(timeout=20), process.returncode) == ('', 'interrupted\n', 130)
    assert time.monotonic() - begun < stopping.TIDYING and not os.listdir(tmp_path / 'tmp')


def test_two_threads_that_notice_a_stop_say_it_once():
    code = 'from tinynets import stopping; print([stopping.answers() for _ in range(3)])'
    assert subprocess.check_output([sys.executable, '-c', code], text=True) == '[True, False, False]\n'


def test_under_nohup_a_closed_terminal_stops_nothing(tmp_path):
    process = started('ready()\ntime.sleep(1)\nprint("done")', tmp_path, before='nohup')
    process.send_signal(signal.SIGHUP)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, 'done\n')


def test_a_request_that_comes_at_the_end_of_a_block_is_answered_after_it(tmp_path):
    body = '''
with stopping.Stop() as stop:
    ready()
    while not stop.requested:
        time.sleep(0.01)
stopping.check()
print('continued')'''
    process = started(body, tmp_path)
    process.send_signal(signal.SIGINT)
    assert (*process.communicate(timeout=20), process.returncode) == ('', 'interrupted\n', 130)


def test_a_block_in_another_program_takes_the_signals_and_gives_them_back():
    from tinynets.stopping import Stop
    before = signal.getsignal(signal.SIGUSR1)
    with Stop() as stop:
        signal.raise_signal(signal.SIGUSR1)
        assert stop.requested and stop.deferring
        signal.raise_signal(signal.SIGINT)  # at once: the same request
        stop.requested_at -= 2
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.1)
    assert signal.getsignal(signal.SIGUSR1) is before


def test_the_launcher_passes_a_request_on_once_and_kills_for_who_insists():
    from tinynets.launch import Job

    class Worker:
        """A process that records the signals it gets."""
        def __init__(self):
            self.sent = []

        def poll(self):
            return None

        def send_signal(self, number):
            self.sent.append(number)

    for first, second, sent in ((signal.SIGHUP, signal.SIGHUP, [signal.SIGTERM]),
                                (signal.SIGUSR1, signal.SIGHUP, [signal.SIGTERM]),
                                (signal.SIGHUP, signal.SIGINT, [signal.SIGTERM, signal.SIGKILL]),
                                (signal.SIGTERM, signal.SIGTERM, [signal.SIGTERM, signal.SIGKILL])):
        job, worker = Job.__new__(Job), Worker()
        job.signals, job.workers = 0, [worker]
        job.on_signal(first, None)
        job.on_signal(second, None)
        assert worker.sent == sent


MEETING = '''
import ctypes, signal, sys, types
meeting = types.ModuleType('mindspore.communication')
def init():
    print('waiting', flush=True)
    if sys.argv[1:]:
        ctypes.PyDLL(None).sleep(30)  # as MindSpore does: no other thread of Python runs meanwhile
meeting.init, meeting.get_rank, meeting.get_group_size = init, lambda: 1, lambda: 2
sys.modules.update({'mindspore': types.ModuleType('mindspore'), 'mindspore.communication': meeting})
from tinynets import runtime, stopping
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may run the tests
stopping.listen()
runtime._join()
print(all(signal.getsignal(number) is stopping._on_signal for number in stopping.SIGNALS))
'''


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT])
def test_a_worker_that_waits_for_the_others_ends_at_once(number):
    environment = {name: value for name, value in os.environ.items() if name not in ('MS_ROLE', 'TINYNETS_MET')}
    worker = subprocess.Popen([sys.executable, '-c', MEETING, 'wait'], cwd=ROOT, env=environment,
                              stdout=subprocess.PIPE, text=True)
    try:
        assert worker.stdout.readline() == 'waiting\n'
        time.sleep(0.2)
        worker.send_signal(number)
        assert worker.wait(timeout=10) == -number
    finally:
        worker.kill()
        worker.stdout.close()


def test_signals_are_answered_after_the_meeting():
    done = subprocess.run([sys.executable, '-c', MEETING], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == 'waiting\nTrue\n', done.stderr


COMMANDS = sorted(path.name for path in ROOT.glob('*.py') if 'script(' in path.read_text())
assert len(COMMANDS) == 13


@pytest.mark.parametrize('command', COMMANDS)
def test_a_command_that_is_interrupted_while_it_is_imported_says_nothing(command, tmp_path):
    says_nothing(tmp_path, 'argparse', str(ROOT / command))


@pytest.mark.parametrize('command', [['-m', 'tinynets.study.trial', 'nowhere', '1', '0'], ['src/tinynets/launch.py'],
                                     ['src/launch.py'], ['-m', 'tinynets']], ids=lambda words: words[-1])
def test_so_do_the_processes_of_studies_and_of_jobs(command, tmp_path):
    says_nothing(tmp_path, 'tempfile', *command)


def says_nothing(folder, module, *command):
    """A module of that name shadows Python's own, and interrupts the process that imports it."""
    (folder / f'{module}.py').write_text('import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)')
    paths = os.pathsep.join([str(folder), str(ROOT / 'src')])
    done = subprocess.run([sys.executable, *command], env={**os.environ, 'PYTHONPATH': paths}, cwd=ROOT,
                          capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, '', '')
