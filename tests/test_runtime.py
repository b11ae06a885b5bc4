"""Printing untrusted texts, workers that meet, and the settings of devices."""
import os
import pathlib
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tinynets import runtime
from tinynets.runtime import check_launch, describe, launched, printable
from tinynets.training.progress import tell


@pytest.mark.parametrize('text, shown', [
    ('a\x1b[2Jb', 'a\\x1b[2Jb'), ('\x9b2J\x85.', '\\x9b2J\\x85.'), ('\r\tc\0\x7f', '\\r\\tc\\x00\\x7f'),
    ('n\udc80.png', 'n\\udc80.png'), *[('Größe \u2013 \u732b \U0001f431\u200d a\\b',) * 2]])
def test_control_characters_are_shown_not_sent(text, shown, capsys):
    assert printable(text) == shown == printable(shown)
    assert printable('a\nb') == 'a\\nb'
    tell(f'lines\n{text}')
    assert capsys.readouterr().out == f'lines\n{shown}\n'


def test_errors_of_files_are_printable():
    assert describe(OSError(2, 'No such file', 'a\x1b[2J')) == 'a\\x1b[2J: No such file'
    assert describe(ValueError('one\n two \x1b')) == 'one two \\x1b' and describe(ValueError()) == 'ValueError'


SCHEDULED = {'MS_ROLE': 'MS_WORKER', 'MS_WORKER_NUM': '2', 'MS_SCHED_HOST': 'a', 'MS_SCHED_PORT': '1'}


@pytest.mark.parametrize('environment, device, words', [
    ({'MS_ROLE': 'MS_WORKER', 'MS_WORKER_NUM': '2'}, 'CPU', 'MS_ROLE is set without MS_SCHED_HOST, MS_SCHED_PORT'),
    ({'OMPI_COMM_WORLD_SIZE': '2'}, 'CPU', "mpirun: MindSpore's CPU workers meet by its scheduler"),
    ({**SCHEDULED, 'RANK_TABLE_FILE': 't', 'RANK_SIZE': '2'}, 'CPU', 'a rank table: .*CPU .*, without RANK_'),
    ({'RANK_TABLE_FILE': 't', 'RANK_SIZE': '2', 'RANK_ID': '1'}, 'Ascend',
     'no longer starts workers by a rank table .* msrun --r'),
    ({'RANK_TABLE_FILE': 't', 'RANK_ID': '1'}, 'Ascend', 'RANK_ID=1 says .* unset RANK_ID to run it alone'),
    ({'MS_WORKER_NUM': '2'}, 'CPU', 'MS_WORKER_NUM=2 says'), ({'RANK_SIZE': '8'}, 'CPU', 'RANK_SIZE=8 says'),
    ({'SLURM_STEP_NUM_TASKS': '2'}, 'CPU', 'SLURM_STEP_NUM_TASKS=2 says'), ({'PMI_SIZE': '2'}, 'GPU', 'PMI_SIZE=2'),
    ({'OMPI_COMM_WORLD_SIZE': 'two'}, 'GPU', 'OMPI_COMM_WORLD_SIZE=two in the environment: must be a number')])
def test_processes_that_would_not_meet_are_refused(environment, device, words, monkeypatch):
    _only(environment, monkeypatch)
    with pytest.raises(ValueError, match=words):
        check_launch(device)
    if device == 'CPU':
        with pytest.raises(ValueError, match=words):
            runtime.configure(device)


@pytest.mark.parametrize('environment, number', [
    ({'OMPI_COMM_WORLD_SIZE': '2', 'OMPI_COMM_WORLD_LOCAL_RANK': '1', 'DEVICE_ID': '0'}, 1),
    ({'MS_ROLE': 'MS_WORKER', 'DEVICE_ID': '3', 'OMPI_COMM_WORLD_LOCAL_RANK': '0'}, 3),
    ({**SCHEDULED, 'RANK_TABLE_FILE': 't', 'RANK_SIZE': '2', 'DEVICE_ID': '5', 'OMPI_COMM_WORLD_LOCAL_RANK': '1'}, 5),
    ({**SCHEDULED, 'MS_NODE_ID': '1'}, None), ({**SCHEDULED, 'DEVICE_ID': ''}, None),  # MindSpore negotiates
    ({'OMPI_COMM_WORLD_SIZE': '2'}, 0)])
def test_each_worker_has_its_device(environment, number, monkeypatch):
    _only(environment, monkeypatch)
    assert runtime._local_rank() == number


@pytest.mark.parametrize('environment, device, several', [
    ({}, 'CPU', False), ({'OMPI_COMM_WORLD_SIZE': '2'}, 'GPU', True), ({'OMPI_COMM_WORLD_SIZE': '1'}, 'CPU', False),
    ({**SCHEDULED, 'RANK_TABLE_FILE': 't', 'RANK_SIZE': '2', 'RANK_ID': '0'}, 'Ascend', True),
    ({'RANK_TABLE_FILE': 't', 'RANK_SIZE': '1', 'RANK_ID': '0'}, 'Ascend', False),
    ({'MS_ROLE': 'MS_SCHED', 'MS_WORKER_NUM': '2', 'MS_SCHED_HOST': 'a', 'MS_SCHED_PORT': '1', 'PMI_SIZE': '2'}, 'CPU',
     True)])
def test_what_starts_several_processes(environment, device, several, monkeypatch):
    _only(environment, monkeypatch)
    check_launch(device)
    assert launched() == several


def _only(environment, monkeypatch):
    for name in os.environ:
        if name.startswith(('MS_', 'RANK_', 'OMPI_', 'PMI_', 'SLURM_', 'DEVICE_ID')):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_an_ascend_is_given_several_dispatching_threads(monkeypatch):
    """MindSpore's default depends on processors and threads; with one thread, a loss scale's condition fails."""
    import mindspore as ms
    told = []
    monkeypatch.setattr(runtime, '_lacks', lambda ms, device, number: '')
    monkeypatch.setattr(runtime, '_set_device', lambda ms, device, device_id: told.append((device, device_id)))
    monkeypatch.setattr(ms.runtime, 'dispatch_threads_num', told.append)
    runtime.configure('Ascend', device_id=3)
    assert told == [('Ascend', 3), 5]

    def set_already(count):
        raise RuntimeError("The 'dispatch_threads_num' can not be set repeatedly.")
    monkeypatch.setattr(ms.runtime, 'dispatch_threads_num', set_already)
    assert runtime.configure('Ascend') == 'Ascend'


CUDA = """
----------------------------------------------------
- Cuda error:
----------------------------------------------------
The cudaGetLastError[35], CUDA driver version is insufficient for CUDA runtime version

----------------------------------------------------
- C++ Call Stack: (For framework developers)
----------------------------------------------------
cuda_driver.cc:292 device_count
"""


class Ms:
    """A stand-in for MindSpore in the search for a device: a number of GPUs, or the error of counting them."""
    __version__ = '2.10.0'

    def __init__(self, gpus, loaded=('GPU',)):
        self.gpus, self.loaded, self.hal = gpus, loaded, self

    def is_available(self, device):
        return device in self.loaded

    def device_count(self, device):
        assert device == 'GPU'
        if isinstance(self.gpus, int):
            return self.gpus
        raise self.gpus


@pytest.mark.parametrize('ms, number, said', [
    (Ms(RuntimeError(CUDA)), 0, 'none found (CUDA driver version is insufficient for CUDA runtime version)'),
    (Ms(RuntimeError('else')), 0, 'not available'), (Ms(ValueError('not loaded')), 0, 'not available'),
    (Ms(0), 0, 'none found'), (Ms(2), 2, 'no number 2 among the 2 found'), (Ms(2), 1, ''),
    (Ms(1, ()), 0, 'not available')])
def test_a_gpu_back_end_without_its_gpu_is_one_line(ms, number, said, monkeypatch):
    assert runtime._lacks(ms, 'GPU', number) == said
    assert not runtime._lacks(ms, 'CPU', number)
    if said:
        monkeypatch.setitem(sys.modules, 'mindspore', ms)
        with pytest.raises(ValueError) as error:
            runtime.configure('GPU', device_id=number)
        assert describe(error.value).startswith(f'device GPU: {said} with MindSpore 2.10.0 on this machine; use CPU')


@pytest.mark.parametrize('ms, device', [(Ms(1), 'CPU'), (Ms(1, ('GPU', 'Ascend')), 'Ascend'), (Ms(1, ()), 'CPU')])
def test_auto_takes_ascend_or_the_cpu(ms, device, monkeypatch):
    class Taken(Exception):
        pass

    def take(_, name, number):
        raise Taken(name)

    ms.get_context = lambda key: 'another'
    monkeypatch.setitem(sys.modules, 'mindspore', ms)
    monkeypatch.setattr(runtime, '_set_device', take)
    with pytest.raises(Taken, match=device):
        runtime.configure('auto')


class Ms20:
    """MindSpore 2.0, which has no hal: it refuses a device without its back end."""
    def __init__(self, loaded):
        self.loaded = loaded

    def set_context(self, device_target):
        if device_target not in self.loaded:
            raise RuntimeError(f"Unsupported device target {device_target}. This process only supports ['CPU'].")


@pytest.mark.parametrize('result, said', [(0, ''), (100, 'none found')])
def test_mindspore_2_0_finds_its_gpu(result, said, monkeypatch):
    class Driver:
        def __init__(self, name):
            self.cuInit = lambda flags: result

    monkeypatch.setattr(runtime.ctypes, 'CDLL', Driver)
    assert runtime._lacks(Ms20(['CPU', 'GPU']), 'GPU') == said
    assert runtime._lacks(Ms20(['CPU']), 'GPU') == runtime._lacks(Ms20(['CPU']), 'Ascend') == 'not available'

    def no_driver(name):
        raise OSError(f'{name}: cannot open shared object file: No such file or directory')
    monkeypatch.setattr(runtime.ctypes, 'CDLL', no_driver)
    assert runtime._lacks(Ms20(['CPU', 'GPU']), 'GPU') == 'not available'


def _cuda_sh(folder, home):
    """Return the environment after scripts/cuda.sh, with a .venv in `folder` instead of an installation.

    No CUDA_HOME, and yet a /bin/nvcc of CUDA 11, is what Debian's nvidia-cuda-toolkit leaves.
    """
    scripts = pathlib.Path(__file__).resolve().parent.parent / 'scripts'
    for name in ('scripts', '.venv/bin', '.venv/lib/python3.11/site-packages/nvidia/cudnn/lib'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / '.venv/lib/python3.11/site-packages/nvidia/cudnn/lib/libcudnn.so.8').touch()
    (folder / 'scripts/cuda.sh').write_text((scripts / 'cuda.sh').read_text())
    (folder / 'scripts/env.sh').write_text(f'venv={folder}/.venv; echo needs "$1"\n')
    environment = {**os.environ, 'CUDA_HOME': home, 'LD_LIBRARY_PATH': '/mine'}
    command = ('set -euo pipefail; [ "$CUDA_HOME" ] || unset CUDA_HOME; function /bin/nvcc { echo release 11.5; }; '
               'source scripts/cuda.sh; echo "$CUDA_HOME"; echo "$LD_LIBRARY_PATH"; '
               '"$CUDA_HOME/bin/nvcc" --version; ls "$CUDA_HOME/lib64"')
    done = subprocess.run(['bash', '-c', command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _toolkit(folder, version):
    for name in ('bin', 'lib64'):
        (folder / name).mkdir(parents=True)
    (folder / 'bin/nvcc').write_text(f'#!/bin/sh\necho "Cuda compilation tools, release {version}, V{version}.55"\n')
    (folder / 'bin/nvcc').chmod(0o755)
    return str(folder)


def test_nvidias_wheels_become_a_cuda_home(tmp_path):
    made = f'{tmp_path}/.venv/cuda'
    nvcc = 'Cuda compilation tools, release 11.8, V11.8.89'  # MindSpore parses it up to the comma
    expected = ['needs requirements-gpu.txt', made, f'{made}/lib64:/mine', nvcc, 'libcudnn.so.8']
    assert _cuda_sh(tmp_path, '') == _cuda_sh(tmp_path, _toolkit(tmp_path / '12', '12.4')) == expected
    assert os.path.exists(f'{made}/lib64/libcudnn.so.8')


def test_an_own_cuda_11_is_taken(tmp_path):
    own = _toolkit(tmp_path / '11', '11.6')
    assert _cuda_sh(tmp_path, own)[:3] == ['needs requirements.txt', own, f'{own}/lib64:/mine']
    assert not os.path.exists(tmp_path / '.venv/cuda')


def test_an_ascend_without_cann_is_told_what_to_source(tmp_path, monkeypatch, capfd):
    cann, ms = tmp_path / 'cann', Ms(1)
    cann.mkdir()
    monkeypatch.setattr(runtime, 'CANN_FOLDERS', (str(tmp_path / 'none'), str(cann)))
    monkeypatch.setitem(sys.modules, 'mindspore', ms)
    start = 'device Ascend: not available with MindSpore 2.10.0 on this machine; '
    install = 'install CANN 8.2, 8.3, 8.5, 9.0 or 9.1, source its set_env.sh and pip install -r requirements-ascend.txt'
    for home, found, words in ((None, False, f'ASCEND_HOME_PATH is not set: {install} (docs/ascend.md), or use'),
                               (tmp_path / 'a\nb', False, f'ASCEND_HOME_PATH={tmp_path}/a\\nb is not a folder: '),
                               (None, True, f'ASCEND_HOME_PATH is not set: source {cann}/set_env.sh and pip '),
                               (cann, True, f'CANN is in {cann}; is it 8.2, 8.3, 8.5, 9.0 or 9.1, does npu-smi info')):
        monkeypatch.delenv('ASCEND_HOME_PATH', raising=False)
        if home:
            monkeypatch.setenv('ASCEND_HOME_PATH', str(home))
        if found:
            (cann / 'set_env.sh').touch()
        with pytest.raises(ValueError) as error:
            runtime.configure('Ascend')
        assert describe(error.value).startswith(start + words)

    def stop(*_):
        raise InterruptedError
    ms.get_context = lambda key: 'another'
    monkeypatch.setattr(runtime, '_set_device', stop)
    used = 'the CPU is used although this machine has an Ascend: CANN is in '
    for driver, said in ((cann, used), (tmp_path / 'none', '')):
        monkeypatch.setattr(runtime, 'ASCEND_DRIVER', str(driver))
        with pytest.raises(InterruptedError):
            runtime.configure('auto')
        lines = capfd.readouterr().err
        assert lines.startswith(said) and lines.count('\n') == bool(said)


def test_what_an_ascend_needs_can_be_installed():
    from importlib.metadata import requires

    from packaging.requirements import Requirement
    root = pathlib.Path(__file__).resolve().parent.parent
    lines = (root / 'requirements-ascend.txt').read_text().splitlines()
    needed = {Requirement(line).name: Requirement(line) for line in lines if line and not line.startswith(('#', '-r'))}
    assert '-r requirements.txt' in lines
    assert {'absl-py', 'attrs', 'cffi', 'decorator', 'psutil', 'scipy', 'sympy', 'tornado'} <= set(needed)
    assert 'protobuf' not in needed  # CANN 8 names 3.20, MindSpore's own need is newer
    assert any(line.startswith('protobuf>=') for line in requires('mindspore'))


WORKER = """
import mindspore as ms
from tinynets import runtime
runtime._set_device(ms, 'CPU', runtime._local_rank())  # as configure does for other devices
runtime.configure('CPU', kernels='stock')
print('device', runtime.rank(), ms.get_current_device().device_id, flush=True)
"""


def test_workers_started_by_hand_have_their_own_devices(tmp_path):
    """As MindSpore's documentation starts them: no DEVICE_ID. A CPU has no devices, but MindSpore numbers them."""
    import socket
    root = pathlib.Path(__file__).resolve().parent.parent
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = str(probe.getsockname()[1])
    own = ('MS_', 'DEVICE_ID', 'RANK_')
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    environment.update(MS_WORKER_NUM='2', MS_SCHED_HOST='127.0.0.1', MS_SCHED_PORT=port, PYTHONPATH=str(root / 'src'))
    started = [subprocess.Popen([sys.executable, '-c', WORKER], env={**environment, **role}, stdout=subprocess.PIPE,
                                text=True)
               for role in ({'MS_ROLE': 'MS_SCHED'}, {'MS_ROLE': 'MS_WORKER', 'MS_NODE_ID': '0'},
                            {'MS_ROLE': 'MS_WORKER', 'MS_NODE_ID': '1'})]
    try:
        said = [process.communicate(timeout=240)[0] for process in started[1:]]
    finally:
        for process in started:
            process.kill()
            process.wait()
    devices = [line for text in said for line in text.splitlines() if line.startswith('device')]
    assert devices == ['device 0 0', 'device 1 1']


def test_data_are_sunk_where_a_device_has_a_queue():
    from tinynets.runtime import sinks_data
    assert [sinks_data(device) for device in ('Ascend', 'GPU', 'CPU')] == [True, True, False]


@pytest.mark.parametrize('own, used', [(None, {'GLOG_v': '3', 'ONEDNN_MAX_CPU_ISA': 'AVX2'}),
                                       ('1', {'GLOG_v': '1', 'ONEDNN_MAX_CPU_ISA': '1'})])
def test_what_the_user_sets_for_the_libraries_stays(own, used, monkeypatch):
    for name in used:
        monkeypatch.delenv(name, raising=False)
        if own is not None:
            monkeypatch.setenv(name, own)
    runtime.configure('CPU')
    assert {name: os.environ[name] for name in used} == used


@pytest.mark.parametrize('call', [
    "from tinynets.deploy.predict import onnx_function; onnx_function('absent.onnx')",
    'from tinynets.doctor import _onnxruntime; _onnxruntime()',
    "from tinynets.deploy.quantize import _static; _static('absent.onnx', 'o', '.', [], 'minmax')"],
    ids=['predict', 'doctor', 'quantize'])
@pytest.mark.parametrize('own', [None, '0'])
def test_onnx_runtime_reports_to_nobody_but_by_the_users_wish(call, own, tmp_path):
    pytest.importorskip('onnxruntime')
    environment = {name: value for name, value in os.environ.items() if name != 'ORT_DISABLE_TELEMETRY'}
    environment.update({'TMPDIR': str(tmp_path), 'PYTHONPATH': str(ROOT / 'src')})
    if own:
        environment['ORT_DISABLE_TELEMETRY'] = own
    code = f"""import os, sys
try:
    {call}
except Exception as error:
    print(error)
print('onnxruntime' in sys.modules, os.environ['ORT_DISABLE_TELEMETRY'])"""
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == [f'True {own or 1}'], done.stdout + done.stderr
    assert own or os.listdir(tmp_path) == []


@pytest.mark.parametrize('error', ['MemoryError()', "ImportError('lib.so: failed to map segment from shared object')",
                                   'RuntimeError("can\'t start new thread")', "OSError(28, 'No space left on device')"])
def test_where_the_machine_lacks_something_nothing_follows_the_line(error):
    """A partly loaded framework would abort at the interpreter's exit."""
    code = f"""import atexit, os
from tinynets.runtime import run_entry
atexit.register(os.abort)
def main():
    print('printed')
    raise {error}
run_entry(main)"""
    done = subprocess.run([sys.executable, '-c', code], env={**os.environ, 'PYTHONPATH': str(ROOT / 'src')},
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count('\n')) == (2, 'printed\n', 1), done
    assert done.stderr.startswith('error: ')


@pytest.mark.parametrize('script, options', [
    ('train.py', '--config {root}/configs/tinynet_e_digits.yaml'), ('eval.py', '--checkpoint x.ckpt'),
    ('predict.py', '--model x.ckpt --data digits')])
def test_a_limit_of_addresses_that_crashes_mindspore_is_refused_in_a_line(script, options, root, tmp_path):
    command = f'ulimit -v 1500000; exec {sys.executable} {root / script} {options.format(root=root)}'
    done = subprocess.run(['bash', '-c', command], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, '') and done.stderr.count('\n') == 1, done.stderr
    assert done.stderr.startswith('error: ulimit -v allows 1,536 MB of addresses; MindSpore needs at least 2,200 MB')


@pytest.mark.parametrize('needed', [(), (2900 * 1000 ** 2,)])
@pytest.mark.parametrize('less, refused', [(1, True), (0, False), (None, False)])
def test_the_least_limit_of_addresses_is_enough(less, refused, needed, monkeypatch):
    least = needed[0] if needed else 2200 * 1000 ** 2
    limit = -1 if less is None else least - less
    monkeypatch.setattr(runtime.resource, 'getrlimit', lambda what: {runtime.resource.RLIMIT_AS: (limit, -1)}[what])
    if refused:
        with pytest.raises(ValueError, match=f'ulimit -v allows {least // 10 ** 6 - 1:,} MB'):
            runtime.check_addresses(*needed)
    else:
        runtime.check_addresses(*needed)


def test_a_training_needs_more_addresses(small_config, monkeypatch):
    monkeypatch.setattr(runtime.resource, 'getrlimit', lambda what: (2900 * 1000 ** 2 - 1, -1))
    runtime.configure('CPU')
    from tinynets.training.loop import Trainer
    with pytest.raises(ValueError, match='MindSpore needs at least 2,900 MB here'):
        Trainer(small_config(), 'CPU', say=lambda line: None)
