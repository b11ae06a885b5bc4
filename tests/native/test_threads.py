"""The kernels' number of threads: by the environment, the processors, a container's quota; and their errors."""
import pathlib
import subprocess

import pytest

from tinynets import native
from tinynets.native import build


@pytest.fixture
def machine(monkeypatch):
    """A machine of some processors, with the text of its control group's limit, or none."""
    def make(processors, limit=None, outside=''):
        monkeypatch.setattr(native.os, 'sched_getaffinity', lambda process: set(range(processors)))
        monkeypatch.setattr(native, '_OUTSIDE_THREADS', outside)
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
    assert native.default_threads() == threads


def test_what_a_task_throws_reaches_the_caller(tmp_path):
    """As for lack of memory; the threads work afterwards."""
    try:
        compiler = build.compiler()
    except build.Unavailable as reason:
        pytest.skip(str(reason))
    (tmp_path / 'main.cc').write_text('''
#include <cstdio>
#include <new>
#include "threads.h"
int main() {
  for (const int threads : {1, 3}) {
    tinynets::set_threads(threads);
    for (const int bad : {0, 50, 99, -1}) {
      std::atomic<int> done{0};
      const char *outcome = "done";
      try {
        tinynets::parallel(100, [&](int64_t i) {
          if (i == bad) throw std::bad_alloc();
          done++;
        });
      } catch (const std::bad_alloc &) {
        outcome = "thrown";
      }
      std::printf("%d %d %s\\n", threads, bad, done.load() == 100 ? "all done" : outcome);
    }
  }
}
''')
    subprocess.run([*compiler, '-std=c++17', '-pthread', f'-I{build.SOURCES}', str(tmp_path / 'main.cc'),
                    str(build.SOURCES / 'threads.cc'), '-o', str(tmp_path / 'main')], check=True)
    done = subprocess.run([str(tmp_path / 'main')], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [f'{threads} {bad} {"all done" if bad < 0 else "thrown"}'
                                        for threads in (1, 3) for bad in (0, 50, 99, -1)]
