"""How many threads the kernels take: the environment's, the processors', a container's quota of them."""
import pathlib

import pytest

from tinynets import kernels


@pytest.fixture
def machine(monkeypatch):
    """A machine of some processors, with the text of its control group's limit, or none."""
    def make(processors, limit=None, outside=''):
        monkeypatch.setattr(kernels.os, 'sched_getaffinity', lambda process: set(range(processors)))
        monkeypatch.setattr(kernels, '_OUTSIDE_THREADS', outside)
        read = pathlib.Path.read_text

        def told(path, *args, **options):
            if str(path) != '/sys/fs/cgroup/cpu.max':
                return read(path, *args, **options)
            if limit is None:
                raise FileNotFoundError(path)
            return limit
        monkeypatch.setattr(pathlib.Path, 'read_text', told)
    return make


@pytest.mark.parametrize('processors, limit, outside, threads', [
    (8, None, '', 8), (8, 'max 100000', '', 8), (8, '200000 100000', '', 2), (8, '50000 100000', '', 1),
    (2, '800000 100000', '', 2), (16, '350000 100000', '', 4), (8, None, '3', 3), (8, '200000 100000', '6', 6),
    (8, None, '0', 8), (8, None, 'many', 8)])
def test_threads_are_the_environments_or_the_processors_or_the_quota(machine, processors, limit, outside, threads):
    machine(processors, limit, outside)
    assert kernels.default_threads() == threads
