"""The package as users get it: dependencies written once, a wheel that holds everything and works outside the clone."""
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
import tomllib

from tinynets import commands
from tinynets.shipped import recipe


@pytest.fixture(scope='module')
def project(root):
    return tomllib.loads((root / 'pyproject.toml').read_text())


def requirements(path):
    """Return the lines of a requirements file without comments, spaces and references to other files."""
    lines = (line.partition('#')[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith('-r')]


@pytest.mark.parametrize('file, key', [('requirements.txt', None), ('requirements-dev.txt', 'dev'),
                                       ('requirements-gpu.txt', 'gpu'), ('requirements-ascend.txt', 'ascend')])
def test_requirements_files_say_what_the_project_says(root, project, file, key):
    listed = project['project']['dependencies'] if key is None else project['project']['optional-dependencies'][key]
    assert requirements(root / file) == listed


@pytest.fixture(scope='module')
def built(root, tmp_path_factory):
    """A folder with the wheel and the source distribution, built without the network."""
    folder = tmp_path_factory.mktemp('dist')
    code = ('import sys; from hatchling import build; print(build.build_wheel(sys.argv[1])); '
            'print(build.build_sdist(sys.argv[1]))')
    done = subprocess.run([sys.executable, '-c', code, folder], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope='module')
def installed(built, tmp_path_factory):
    """Run an installed `tinynets` in an empty folder: installed('train', ...) -> CompletedProcess."""
    site, home = tmp_path_factory.mktemp('site'), tmp_path_factory.mktemp('away')
    done = subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', '--no-deps', '--no-index', '--target', site,
                           next(built.glob('*.whl'))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, 'PYTHONPATH': str(site)}

    def run(*arguments):
        return subprocess.run([sys.executable, site / 'bin' / 'tinynets', *map(str, arguments)], cwd=home,
                              env=environment, capture_output=True, text=True, timeout=300)
    run.home = home
    return run


def test_wheel_and_source_hold_every_file(root, built):
    tracked = subprocess.run(['git', '-C', root, 'ls-files', 'src/tinynets', 'configs'], capture_output=True, text=True)
    wanted = set(tracked.stdout.split()) or pytest.skip('no git')
    with zipfile.ZipFile(next(built.glob('*.whl'))) as wheel:
        held = {name if name.startswith('tinynets/configs/') else f'src/{name}' for name in wheel.namelist()}
    assert {name if name.startswith('src/') else f'tinynets/{name}' for name in wanted} <= held
    with tarfile.open(next(built.glob('*.tar.gz'))) as source:
        assert wanted <= {name.partition('/')[2] for name in source.getnames()}


def test_the_installed_package_designs_trains_evaluates_and_exports(installed):
    version = installed('--version')
    assert re.fullmatch(r'tinynets \d+\.\d+\.\d+\n', version.stdout)
    designed = installed('design', '--macs', '24.4M', '--save', 'mine.yaml')
    assert designed.returncode == 0 and '24.4M multiply-adds' in designed.stdout, designed.stderr
    summary = installed('summary', '--model', 'tinynet_e')
    assert '24,356,848' in summary.stdout
    small = ['--set', 'model.name=tinynet_e@w=0.1,d=0.1,resolution=16', '--set', 'model.resolution=null']
    trained = installed('train', '--config', 'configs/tinynet_e_digits.yaml', *small, '--set', 'train.epochs=1',
                        '--set', 'data.batch_size=256', '--run', 'run')
    assert trained.returncode == 0 and 'not available' not in trained.stderr, trained.stderr
    assert '`tinynets eval --checkpoint`' in (installed.home / 'run' / 'best.md').read_text()
    scored = installed('eval', '--checkpoint', 'run/best.ckpt')
    assert scored.returncode == 0 and '  360 images  ' in scored.stdout, scored.stderr
    exported = installed('export', '--checkpoint', 'run/best.ckpt')
    assert exported.returncode == 0 and exported.stdout.count('maximum difference') == 2, exported.stderr


def test_an_installed_command_names_itself_and_its_like(installed):
    assert 'usage: tinynets compare-exports ' in installed('compare-exports', '--help').stdout
    wrong = installed('eval', 'x.ckpt')
    assert wrong.returncode == 2
    assert wrong.stderr == ('error: tinynets eval takes its arguments by name: tinynets eval --checkpoint x.ckpt\n')
    unknown = installed('trane')
    assert unknown.returncode == 2 and "invalid choice: 'trane'" in unknown.stderr
    listed = installed().stdout
    assert all(f'    {name.replace("_", "-")}' in listed for name in commands.COMMANDS)
    assert '--macs' in installed('completion', 'bash').stdout


def test_the_doctor_names_what_is_missing_and_its_remedy(installed, monkeypatch):
    from tinynets import doctor
    rows = {finding.name: finding for finding in doctor.examine()}
    assert {row.works for row in rows.values()} <= {'yes', 'no', '-'}
    assert all(row.remedy for row in rows.values() if row.works == 'no')
    monkeypatch.setenv('PATH', '/nowhere')
    monkeypatch.delenv('CXX', raising=False)
    without = doctor._compiler()
    assert (without.works, without.remedy) == ('no', 'apt-get install g++') and 'no C++ compiler' in without.found
    assert doctor.table([without]).splitlines()[1].strip() == '-> apt-get install g++'


def test_scripts_are_spoken_of_as_they_were_started(monkeypatch):
    said = 'python search.py export; fit_formula.py makes one, my/train.py and retrain.py not'
    assert commands.spoken(said) == said
    monkeypatch.setattr(commands, '_installed', True)
    assert commands.spoken(said) == ('tinynets search export; tinynets fit-formula makes one, my/train.py and '
                                     'retrain.py not')


def test_a_recipe_of_the_package_stands_in_for_a_missing_one_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recipe('configs/tinynet_e_digits.yaml').is_file() and not pathlib.Path('configs').exists()
    assert recipe('configs/none.yaml') == pathlib.Path('configs/none.yaml')
    assert recipe('tinynet_e_digits.yaml') == pathlib.Path('tinynet_e_digits.yaml')
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs' / 'tinynet_e_digits.yaml').write_text('')
    assert recipe('configs/tinynet_e_digits.yaml') == pathlib.Path('configs/tinynet_e_digits.yaml')


@pytest.mark.parametrize('name', sorted({*commands.COMMANDS} - {'doctor', 'completion'}))
def test_every_script_works_from_anywhere_in_a_plain_clone(root, tmp_path, name):
    script = root / ('scripts' if name == 'pack_dataset' else '') / f'{name}.py'
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    done = subprocess.run([sys.executable, script, '--help'], cwd=tmp_path, env=environment, capture_output=True,
                          text=True)
    assert done.returncode == 0 and f'usage: {name}.py ' in done.stdout, done.stderr
    assert len(script.read_text().splitlines()) <= 11


def test_the_linter_finds_nothing(root):
    done = subprocess.run([sys.executable, '-m', 'ruff', 'check', '--no-cache', root], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_type_checker_finds_nothing(root):
    """In the parts that pyproject.toml names: the configuration, those without MindSpore, tasks and deployment."""
    pytest.importorskip('mypy')
    done = subprocess.run([sys.executable, '-m', 'mypy'], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_c_plus_plus_is_formatted(root):
    """By .clang-format, except ascend310_infer/lite, which declares parts of MindSpore Lite."""
    program = pytest.importorskip('clang_format').get_executable('clang-format')
    tracked = subprocess.run(['git', '-C', root, 'ls-files', '*.cc', '*.h', '*.inc'], capture_output=True, text=True)
    files = tracked.stdout.split() or pytest.skip('no git')
    done = subprocess.run([program, '--dry-run', '--Werror', *files], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
