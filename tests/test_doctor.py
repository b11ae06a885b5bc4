"""The doctor's findings and remedies on machines that have or lack something."""
import errno
import os
import pathlib
from types import SimpleNamespace

import pytest

from tinynets import doctor, runtime
from tinynets.doctor import Finding
from tinynets.native import build


@pytest.mark.parametrize('look, device, driver', [(doctor._ascend, 'Ascend', runtime.ASCEND_DRIVER),
                                                  (doctor._gpu, 'GPU', '/dev/nvidiactl')])
def test_a_device_is_looked_for_where_its_driver_is(look, device, driver, monkeypatch):
    there, lacks, asked = [], 'not available', []
    monkeypatch.setattr(doctor.os.path, 'exists', lambda path: path in there)
    monkeypatch.setattr(runtime, 'lack_of', lambda name: asked.append(name) or lacks)
    monkeypatch.setattr(runtime, 'without_cann', lambda: 'source set_env.sh')
    monkeypatch.setenv('ASCEND_HOME_PATH', '/opt/cann')
    assert look() == Finding(device, '-', 'no driver') and asked == []
    there.append(driver)
    remedy = {'Ascend': 'source set_env.sh', 'GPU': 'source scripts/cuda.sh (docs/gpu.md)'}[device]
    assert look() == Finding(device, 'no', 'not available', remedy)
    lacks = ''
    assert look() == Finding(device, 'yes', {'Ascend': 'CANN in /opt/cann', 'GPU': 'found'}[device])
    assert asked == [device] * 2


@pytest.mark.parametrize('blocks, works, found', [
    (65536, 'yes', '268 MB free in /dev/shm'), (65535, 'no', '268 MB free'), (10, 'no', '0 MB free'),
    (1 << 22, 'yes', '17,180 MB free')])
def test_shared_memory_is_enough_from_256_mib_on(blocks, works, found, monkeypatch):
    """The free space is that for this user: blocks reserved for root do not count."""
    about = SimpleNamespace(f_bavail=blocks, f_bfree=1 << 30, f_blocks=1 << 30, f_frsize=4096, f_bsize=1)
    monkeypatch.setattr(doctor.os, 'statvfs', {'/dev/shm': about}.__getitem__)
    row = doctor._shared_memory()
    assert (row.name, row.works, row.remedy) == ('shared memory', works, '' if works == 'yes' else
                                                 'a container takes --shm-size=1g')
    assert row.found.startswith(found)


def test_shared_memory_that_is_not_there(monkeypatch):
    def fails(path):
        raise OSError(errno.ENOENT, 'No such file or directory', path)
    monkeypatch.setattr(doctor.os, 'statvfs', fails)
    row = doctor._shared_memory()
    assert (row.works, row.remedy) == ('no', 'mount -t tmpfs tmpfs /dev/shm')
    assert row.found.startswith('/dev/shm: No such file or directory; images are decoded without workers')


def test_lite_is_the_sdk_that_is_named_or_the_fetched_one(tmp_path, monkeypatch):
    monkeypatch.setenv('MINDSPORE_LITE_HOME', str(tmp_path))
    assert doctor._lite() == Finding('MindSpore Lite', 'yes', str(tmp_path))
    monkeypatch.setenv('MINDSPORE_LITE_HOME', str(tmp_path / 'none'))
    assert doctor._lite() == Finding('MindSpore Lite', 'no', str(tmp_path / 'none'),
                                     'set MINDSPORE_LITE_HOME to the SDK, or unset it')
    monkeypatch.delenv('MINDSPORE_LITE_HOME')
    monkeypatch.setattr(doctor, 'CLONE', tmp_path)
    assert doctor._lite() == Finding('MindSpore Lite', '-', 'only for an Ascend: bash scripts/get_mindspore_lite.sh')
    (tmp_path / 'data' / 'mindspore-lite').mkdir(parents=True)
    assert doctor._lite() == Finding('MindSpore Lite', 'yes', str(tmp_path / 'data' / 'mindspore-lite'))
    monkeypatch.setattr(doctor, 'CLONE', None)
    assert doctor._lite() == Finding('MindSpore Lite', '-', 'only for an Ascend')


def test_the_program_is_built_or_the_next_step_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, 'CLONE', tmp_path)
    monkeypatch.delenv('BUILD', raising=False)
    tools = {'cmake', 'make'}
    monkeypatch.setattr(doctor.shutil, 'which', lambda name: name if name in tools else None)
    assert doctor._program() == Finding('C++ program', 'no', 'not built yet', 'bash ascend310_infer/build.sh')
    tools.remove('make')
    row = doctor._program()
    assert (row.found, row.remedy) == (
        'needs make', 'apt-get install cmake make g++ libjpeg-dev zlib1g-dev libprotozero-dev')
    tools.clear()
    assert doctor._program().found == 'needs cmake and make'
    built = tmp_path / 'ascend310_infer' / 'build' / 'tinynet_infer'
    built.parent.mkdir(parents=True)
    built.touch()
    assert doctor._program() == Finding('C++ program', 'yes', str(built))
    monkeypatch.setenv('BUILD', str(tmp_path / 'elsewhere'))
    assert doctor._program().works == 'no'
    monkeypatch.setattr(doctor, 'CLONE', None)
    assert doctor._program().works == '-'


def test_fashion_mnist_is_of_no_concern_until_it_is_fetched(tmp_path, monkeypatch):
    from tinynets.data import embedded
    monkeypatch.setattr(embedded, 'FASHION_FOLDERS', (str(tmp_path / 'a'), str(tmp_path / 'b')))
    monkeypatch.setattr(doctor, 'CLONE', tmp_path)
    missing = Finding('Fashion-MNIST', '-', 'not fetched (the digits need no data)',
                      'bash scripts/get_fashion_mnist.sh')
    assert doctor._fashion_mnist() == missing
    monkeypatch.setattr(doctor, 'CLONE', None)  # an installed package has no such script
    assert doctor._fashion_mnist() == Finding('Fashion-MNIST', '-', missing.found)
    (tmp_path / 'b').mkdir()
    assert doctor._fashion_mnist() == Finding('Fashion-MNIST', 'yes', str(tmp_path / 'b'))


@pytest.mark.parametrize('error', [build.Unavailable('no compiler'), OSError(28, 'No space left on device')])
def test_a_library_that_cannot_be_had_is_a_row(error):
    def fails():
        raise error
    row = doctor._library('crops in C++', fails, 'images are decoded by Pillow, slower')
    assert row == Finding('crops in C++', 'no', f'{error}; images are decoded by Pillow, slower',
                          'apt-get install g++ libjpeg-dev')
    assert doctor._library('x', lambda: '/cache/x.so', '') == Finding('x', 'yes', '/cache/x.so')


def test_the_table_has_a_line_a_finding_and_one_a_remedy():
    rows = [Finding('CPU', 'yes', 'x86_64'), Finding('C++ compiler', 'no', 'none', 'apt-get install g++')]
    assert doctor.table(rows).split('\n') == ['CPU             yes  x86_64', 'C++ compiler    no   none',
                                              ' ' * 20 + ' -> apt-get install g++']


def test_versions_and_processors_are_this_machines(monkeypatch):
    import numpy

    from tinynets import __version__, native
    monkeypatch.setattr(native, 'default_threads', lambda: 7)
    monkeypatch.setattr(build, 'usable_vectors', lambda: ['avx2', 'baseline'])
    assert doctor._cpu() == Finding('CPU', 'yes', f'{os.uname().machine}, 7 threads, vectors avx2')
    versions = doctor._versions()
    assert versions.works == 'yes' and versions.found.startswith(f'tinynets {__version__}, Python 3.')
    assert f', numpy {numpy.__version__}, ' in versions.found


def test_the_compiler_is_named_with_its_options(tmp_path, monkeypatch):
    program = pathlib.Path(tmp_path / 'g++')
    program.touch(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setenv('CXX', 'g++ -m64')
    assert doctor._compiler() == Finding('C++ compiler', 'yes', f'{program} -m64')


def test_a_package_that_is_not_installed_is_named_among_the_versions(monkeypatch):
    version = doctor.importlib.metadata.version

    def lacks(name):
        if name in ('onnx', 'pymoo'):
            raise doctor.importlib.metadata.PackageNotFoundError(name)
        return version(name)
    monkeypatch.setattr(doctor.importlib.metadata, 'version', lacks)
    row = doctor._versions()
    assert (row.works, row.remedy) == ('no', 'pip install pymoo onnx')
    assert ', onnx is not installed, ' in row.found and ', numpy ' in row.found


@pytest.mark.parametrize('error, reason, remedy', [
    (ImportError("libstdc++.so.6: version `GLIBCXX_3.4.29' not found"), 'GLIBCXX_3.4.29', 'requirements.txt'),
    (ModuleNotFoundError("No module named 'onnxruntime'", name='onnxruntime'),
     'the Python package onnxruntime is not installed', ''), (RuntimeError(), 'RuntimeError', 'requirements.txt')])
def test_a_check_that_fails_is_a_row_and_the_others_follow(error, reason, remedy, monkeypatch):
    def fails(*arguments):
        raise error
    monkeypatch.setattr(runtime, 'onnx_runtime', fails)
    for name in ('CPU kernels', 'crops in C++'):  # need no compilation here
        monkeypatch.setitem(doctor.CHECKS, name, lambda: Finding('x', 'yes', 'y'))
    monkeypatch.setitem(doctor.CHECKS, 'CPU', fails)
    rows = doctor.examine()
    assert len(rows) == len(doctor.CHECKS) == 12
    for row in (rows[1], rows[7]):
        assert (row.name, row.works) in (('CPU', 'no'), ('ONNX files', 'no'))
        assert reason in row.found and '\n' not in row.found
        assert remedy in row.remedy and bool(remedy) == bool(row.remedy)
    assert rows[0].name == 'versions' and doctor.table(rows)


def test_each_check_is_listed_under_the_name_of_its_row():
    checks = {name: check for name, check in doctor.CHECKS.items() if name not in ('CPU kernels', 'crops in C++')}
    assert all(check().name == name for name, check in checks.items())
