"""Output whose reader goes away, by-products that fail, and errors by lack of resources."""
import errno
import logging
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tinynets import output
from tinynets.output import Guarded, absent, describe, lacking, side_product


class Broken:
    """A stream that fails while `number` is an error."""

    def __init__(self, number):
        self.number, self.text = number, ''

    def write(self, text):
        if self.number:
            raise OSError(self.number, os.strerror(self.number))
        self.text += text
        return len(text)

    def flush(self):
        self.write('')

    def fileno(self):
        raise ValueError('none')


@pytest.mark.parametrize('number', [errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF, errno.EAGAIN])
def test_writes_never_raise_and_are_tried_again(number, capsys):
    stream = Broken(number)
    guarded = Guarded(stream)
    print('lost', file=guarded, flush=True)
    assert guarded.error.errno == number and stream.text == ''
    stream.number = 0  # the disk has room again
    print('kept', file=guarded, flush=True)
    assert stream.text == 'kept\n' and guarded.error.errno == number and capsys.readouterr().err == ''


def test_a_log_that_is_lost_is_said_once(capsys):
    guarded = Guarded(Broken(errno.ENOSPC))
    guarded.told = False
    for _ in range(3):
        print('lost', file=guarded, flush=True)
    said = capsys.readouterr().err
    assert said.count('\n') == 1 and 'standard output: No space left' in said


@pytest.mark.parametrize('options, said', [({}, False), ({'log': False}, False), ({'log': True}, True)])
def test_only_of_a_log_is_it_said_that_output_is_lost(options, said, monkeypatch):
    for name in ('stdout', 'stderr'):
        monkeypatch.setattr(output.sys, name, Broken(0))
    output.guard(**options)
    output.guard(log=not said)  # guarded once
    stdout, stderr = output.sys.stdout, output.sys.stderr
    stdout.stream.number = errno.ENOSPC
    print('lost', file=stdout)
    assert ('standard output: No space left' in stderr.stream.text) is said
    stderr.stream.text, stderr.stream.number = '', errno.ENOSPC
    print('lost', file=stderr)
    assert stderr.stream.text == ''


def command(text, *options):
    """Run a shell line in the project's folder; return the exit code of its first command and its stderr."""
    done = subprocess.run(['bash', '-c', f'{sys.executable} {text}; echo "${{PIPESTATUS[0]}}" >&2', *options], cwd=ROOT,
                          capture_output=True, text=True, timeout=120)
    *lines, code = done.stderr.splitlines()
    return int(code), lines


@pytest.mark.parametrize('where, code, words', [
    ('| head -n 1', 0, ''), ('| true', 0, ''), ('> /dev/full', 2, 'standard output: No space left on device'),
    ('>&-', 2, 'standard output: closed'), ('--help > /dev/full', 2, 'No space left'), ('--help | true', 0, '')])
def test_short_commands_end_quietly_where_the_reader_left_and_else_say_it(where, code, words):
    found, lines = command(f'summary.py --model tinynet_e --per-layer {where}')
    assert found == code and len(lines) == bool(words) and words in ''.join(lines)


def test_a_mistake_keeps_its_exit_code_where_nothing_can_be_said():
    assert command('summary.py --model tinynet_z 2>&-') == (2, [])
    assert command('design.py --macs 1K 2> /dev/full') == (2, [])


CLOSED = '''
import os, sys
from tinynets.runtime import run_entry
def main():
    with open(sys.argv[1], 'w') as file:
        file.write('content')
        file.flush()
        os.write(1, b'framework')
        os.write(2, b'framework')
        print('said')
        print('said', file=sys.stderr)
run_entry(main, log=True)
'''


@pytest.mark.parametrize('closed', ['>&-', '2>&-', '>&- 2>&-', '<&- >&- 2>&-'])
def test_no_file_takes_the_place_of_a_closed_stream(closed, tmp_path):
    done = subprocess.run(['bash', '-c', f'"$@" {closed}', 'bash', sys.executable, '-c', CLOSED,
                           str(tmp_path / 'file')],
                          cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and (tmp_path / 'file').read_text() == 'content', done.stderr


def test_a_side_product_that_fails_is_one_warning_for_each(capsys, monkeypatch):
    monkeypatch.setattr(output, '_warned', set())
    reached = []
    for what in ('curve.png', 'curve.png', 'a\x1b.md'):
        with side_product(what):
            reached.append(what)
            raise KeyError('any error\nwith two lines')
    lines = capsys.readouterr().err.splitlines()
    assert len(reached) == 3 and len(lines) == 2
    assert lines[0].startswith('warning: curve.png could not be written (')
    assert lines[1].startswith('warning: a\\x1b.md')
    with pytest.raises(KeyboardInterrupt), side_product('x'):
        raise KeyboardInterrupt


def test_a_picture_that_finds_no_space_is_one_short_line(capsys, monkeypatch, tmp_path):
    from tinynets import pictures
    monkeypatch.setattr(output, '_warned', set())

    def full(path):
        raise OSError(errno.ENOSPC, 'No space left on device', path)
    monkeypatch.setattr(pictures, 'replacing', full)
    path = str(tmp_path / 'curve.png')

    @pictures.picture
    def empty():
        from matplotlib.figure import Figure
        return Figure()
    with side_product(path):
        empty(path=path)
    said = capsys.readouterr().err
    assert said == (f'warning: {path} could not be written (No space left on device); the work continues without it\n')
    with pytest.raises(pictures.Undrawn, match=f'^{path}: No space left on device$'):
        empty(path=path)
    assert not logging.getLogger('matplotlib.font_manager').isEnabledFor(logging.WARNING)  # of its own files


def raised(*errors):
    """Return the last of some errors, each raised while the previous one was handled."""
    found = None
    for error in errors:
        try:
            try:
                if found is not None:
                    raise found
            except BaseException:
                raise error from None
            else:
                raise error
        except BaseException as last:
            found = last
    return found


@pytest.mark.parametrize('error, what', [
    (OSError(errno.ENOSPC, 'x'), 'space'), (OSError(errno.EDQUOT, 'x'), 'space'), (OSError(errno.EROFS, 'x'), 'space'),
    (MemoryError(), 'memory'), (OSError(errno.ENOMEM, 'x'), 'memory'),
    (RuntimeError("can't start new thread"), 'processes'),
    (BlockingIOError(errno.EAGAIN, 'Resource temporarily unavailable'), 'processes'),
    (OSError(errno.EMFILE, 'x'), 'processes'), (RuntimeError('std::bad_alloc'), 'memory'),
    (RuntimeError('Malloc for kernel output failed, Memory isn\'t enough'), 'memory'),
    (ImportError('libx.so: failed to map segment from shared object'), 'memory'),
    (RuntimeError('the shapes differ'), ''), (ValueError('No space left in this sentence'), ''),
    (OSError(errno.ENOENT, 'x'), ''), (FileNotFoundError('x'), ''), (KeyError('memory'), ''),
    (raised(OSError(errno.ENOSPC, 'x'), ValueError('could not be saved')), 'space'),
    (raised(MemoryError(), RuntimeError('wrapped'), ValueError('again')), 'memory'),
    (raised(KeyError('x'), ValueError('other')), '')])
def test_what_a_machine_lacks_is_told_from_mistakes(error, what):
    assert lacking(error) == what


def test_want_of_memory_and_of_threads_are_one_line_and_other_errors_are_not():
    code = 'from tinynets.runtime import run_entry\ndef main():\n    raise {}\nrun_entry(main)'
    for error, words in (('RuntimeError("can\'t start new thread")', 'ulimit -u'), ('MemoryError()', 'out of memory'),
                         ('RuntimeError("Malloc failed: memory is not enough")', 'out of memory')):
        done = subprocess.run([sys.executable, '-c', code.format(error)], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.startswith('error: ') and done.stderr.count('\n') == 1
        assert words in done.stderr
    done = subprocess.run([sys.executable, '-c', code.format('RuntimeError("a bug")')], cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode == 1 and 'Traceback' in done.stderr


def test_descriptions_are_one_line(tmp_path):
    assert describe(OSError(errno.ENOSPC, 'No space left on device', 'a\nb')) == 'a\\nb: No space left on device'
    assert describe(RuntimeError('one\ntwo')) == 'one two'
    (tmp_path / 'link').symlink_to('nowhere')
    with pytest.raises(FileExistsError) as error:
        os.makedirs(tmp_path / 'link', exist_ok=True)
    assert describe(error.value) == f'{tmp_path}/link: is a link to a folder that does not exist; choose another'
    assert describe(OSError(errno.EEXIST, 'File exists', str(tmp_path))) == f'{tmp_path}: File exists'
    assert 'ulimit' in describe(RuntimeError("can't start new thread"))


@pytest.mark.parametrize('script, options', [
    ('train.py', '--set train.epochs=1'), ('eval.py', '--checkpoint x.ckpt'), ('export.py', '--checkpoint x.ckpt'),
    ('predict.py', '--model x.onnx --images x'), ('quantize.py', '--model x.onnx'), ('quickstart.py', ''),
    ('compare_exports.py', '--checkpoint x.ckpt'), ('convert_weights.py', '--from x.pth'), ('design.py', '--macs 50M'),
    ('search.py', '--config x.yaml')])
def test_without_the_packages_a_command_names_the_remedy(script, options):
    """Every entry starts with only the standard library, as in an environment that was not activated."""
    run = (f'import sys, runpy; sys.path.insert(0, {str(ROOT)!r}); sys.argv = {[script, *options.split()]!r}; '
           f"runpy.run_path({str(ROOT / script)!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, '-S', '-I', '-c', run], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ''
    assert re.fullmatch(r'error: the Python package \w+ is not installed for \S+; run this in .*\n', done.stderr)


def test_a_module_of_the_project_that_is_missing_is_no_package():
    assert absent(ModuleNotFoundError(name='tinynets.nothing')) == ''
    assert absent(ModuleNotFoundError(name='yaml.nodes')) == 'yaml'
    assert absent(ImportError(name='yaml')) == ''
