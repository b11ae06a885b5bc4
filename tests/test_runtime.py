"""What reaches the terminal of a text that others may have written, and what an Ascend is told."""
import os

import pytest

from src import runtime
from src.runtime import check_launch, describe, launched, printable
from src.training.progress import tell


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


@pytest.mark.parametrize('environment, device, words', [
    ({'MS_ROLE': 'MS_WORKER', 'MS_WORKER_NUM': '2'}, 'CPU', 'MS_ROLE is set without MS_SCHED_HOST, MS_SCHED_PORT'),
    ({'OMPI_COMM_WORLD_SIZE': '2'}, 'CPU', "mpirun: MindSpore's CPU workers meet by its scheduler"),
    ({'RANK_TABLE_FILE': 't', 'RANK_SIZE': '2', 'RANK_ID': '1'}, 'CPU', "a rank table: MindSpore's CPU workers"),
    ({'RANK_TABLE_FILE': 't', 'RANK_SIZE': '2'}, 'Ascend', 'RANK_TABLE_FILE is set without RANK_ID; start'),
    ({'RANK_TABLE_FILE': 't', 'RANK_ID': '1'}, 'Ascend', 'RANK_ID=1 says .* unset RANK_ID to run it alone'),
    ({'MS_WORKER_NUM': '2'}, 'CPU', 'MS_WORKER_NUM=2 says'), ({'RANK_SIZE': '8'}, 'CPU', 'RANK_SIZE=8 says'),
    ({'SLURM_STEP_NUM_TASKS': '2'}, 'CPU', 'SLURM_STEP_NUM_TASKS=2 says'), ({'PMI_SIZE': '2'}, 'GPU', 'PMI_SIZE=2'),
    ({'OMPI_COMM_WORLD_SIZE': 'two'}, 'GPU', 'OMPI_COMM_WORLD_SIZE=two in the environment: must be a number')])
def test_processes_that_would_not_meet_are_refused(environment, device, words, monkeypatch):
    _only(environment, monkeypatch)
    with pytest.raises(ValueError, match=words):
        check_launch(device)


@pytest.mark.parametrize('environment, device, several', [
    ({}, 'CPU', False), ({'OMPI_COMM_WORLD_SIZE': '2'}, 'GPU', True), ({'OMPI_COMM_WORLD_SIZE': '1'}, 'CPU', False),
    ({'RANK_TABLE_FILE': 't', 'RANK_SIZE': '2', 'RANK_ID': '0'}, 'Ascend', True),
    ({'RANK_TABLE_FILE': 't', 'RANK_SIZE': '1', 'RANK_ID': '0'}, 'Ascend', False),
    ({'MS_ROLE': 'MS_SCHED', 'MS_WORKER_NUM': '2', 'MS_SCHED_HOST': 'a', 'MS_SCHED_PORT': '1', 'PMI_SIZE': '2'}, 'CPU',
     True)])
def test_what_starts_several_processes(environment, device, several, monkeypatch):
    _only(environment, monkeypatch)
    check_launch(device)
    assert launched() == several


def _only(environment, monkeypatch):
    for name in os.environ:
        if name.startswith(('MS_', 'RANK_', 'OMPI_', 'PMI_', 'SLURM_')):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_an_ascend_is_given_several_dispatching_threads(monkeypatch):
    """MindSpore derives them from processors and runtime.threads; one cannot run the condition of a loss scale."""
    import mindspore as ms
    told = []
    monkeypatch.setattr(runtime, '_available', lambda ms, device: True)
    monkeypatch.setattr(runtime, '_set_device', lambda ms, device, device_id: told.append((device, device_id)))
    monkeypatch.setattr(ms.runtime, 'dispatch_threads_num', told.append)
    runtime.configure('Ascend', device_id=3)
    assert told == [('Ascend', 3), 5]

    def set_already(count):
        raise RuntimeError("The 'dispatch_threads_num' can not be set repeatedly.")
    monkeypatch.setattr(ms.runtime, 'dispatch_threads_num', set_already)
    assert runtime.configure('Ascend') == 'Ascend'
