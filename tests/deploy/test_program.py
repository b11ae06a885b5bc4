"""Python's calls of the C++ program, replaced by a script that writes its arguments."""
import os

import pytest

from tinynets.deploy import program


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """A function from a script's lines to what `run` makes of it; it writes its answer to $OUT."""
    def make(lines, files=('a.png',), *options, **named):
        script = tmp_path / 'run.sh'
        script.write_text('for OUT; do [ "$last" != --output ] || break; last=$OUT; done\n' + lines)
        monkeypatch.setattr(program, 'PROGRAM', script)
        return program.run('m.mindir', files, *options, **named)
    return make


ANSWER = 'echo \'{"results": [{"image": "?", "logits": [1.5]}, {"image": "?", "failure": "damaged"}]}\' > "$OUT"\n'


@pytest.mark.parametrize('code', [0, 1])
def test_results_have_the_names_that_were_given(code, asked):
    """The exit code 1 says that an image could not be used."""
    found = asked(f'{ANSWER}exit {code}', ['a.png', 'b/\udcff.png'])['results']
    assert found == [{'image': 'a.png', 'logits': [1.5]}, {'image': 'b/\udcff.png', 'failure': 'damaged'}]


@pytest.mark.parametrize('code', [2, 3, 139])
@pytest.mark.parametrize('said, line', [
    ('error: a.mindir: no such file', 'a.mindir: no such file'), ('first\nerror: last', 'last'),
    ('', 'no output')])
def test_its_last_line_is_the_error(code, said, line, asked):
    with pytest.raises(OSError) as caught:
        asked(f'echo chatter\nprintf "%s" "{said}" >&2\nexit {code}')
    assert str(caught.value) == line


def test_it_is_given_the_model_the_images_the_device_and_the_options(asked, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = tmp_path / 'given'
    lines = f'printf "%s\\n" "$@" "$CMAKE_INCLUDE_PATH" > {given}\ncat "$2" >> {given}\n{ANSWER}'
    monkeypatch.setenv('CMAKE_INCLUDE_PATH', '/headers')
    asked(lines, ['a b.png', '/x/\u00fc.png'], '--topk', '3', device='ascend')
    words = given.read_text().splitlines()
    assert (words[0], *words[2:5], *words[6:8]) == ('m.mindir', 'ascend', '--logits', '--output', '--topk', '3')
    assert os.path.basename(words[1]) == 'images.txt' and not os.path.exists(words[1])
    assert words[8:] == ['/headers', str(tmp_path / 'a b.png'), '/x/\u00fc.png']
    monkeypatch.delenv('CMAKE_INCLUDE_PATH')
    asked(lines)
    assert given.read_text().splitlines()[-2].endswith('/mindspore/include/third_party')


def test_a_name_that_no_line_can_hold_is_given_by_a_link(asked, tmp_path):
    odd = tmp_path / 'a\nb.PNG'
    odd.write_text('pixels')
    lines = f'while read -r path; do cat "$path"; echo " $path"; done < "$2" > {tmp_path}/seen\n{ANSWER}'
    assert [row['image'] for row in asked(lines, [str(odd), str(odd)])['results']] == [str(odd)] * 2
    seen = [line.split(' ') for line in (tmp_path / 'seen').read_text().splitlines()]
    assert [text for text, _ in seen] == ['pixels'] * 2
    assert [os.path.basename(path) for _, path in seen] == ['0.PNG', '1.PNG']


def test_without_a_clone_it_is_said_where_it_comes_from(monkeypatch):
    monkeypatch.setattr(program, 'PROGRAM', None)
    with pytest.raises(OSError, match='is built from a clone of the repository, by ascend310_infer/build.sh'):
        program.run('m.mindir', ['a.png'])
