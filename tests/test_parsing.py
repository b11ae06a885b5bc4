"""Untrusted JSON and YAML: what is read, and what is refused in a short line, little time and little memory."""
import json
import math
import time
import tracemalloc

import pytest

from tinynets.config import load_config
from tinynets.output import describe
from tinynets.parsing import MAX_DEPTH, MAX_JSON, parse_json, parse_yaml, read_json, read_yaml
from tinynets.text import LINE, VALUE, shorten, shown

LAUGHS = 'train:\n  epochs:\n    - &a [x,x,x,x,x,x,x,x,x,x]\n' + ''.join(
    f'    - &{name} [{",".join(["*" + before] * 10)}]\n' for before, name in zip('abcdefgh', 'bcdefghi'))
MERGES = 'a: &a {x: 1}\n' + ''.join(
    f'{name}: &{name} {{<<: [{",".join(["*" + before] * 10)}]}}\n' for before, name in zip('abcdefgh', 'bcdefghi'))


def label(value):
    return shown(value)[:20]


def nested(levels):
    return '[' * levels + ']' * levels


def test_json_and_yaml_are_read_as_their_libraries_read_them(tmp_path):
    tree = {'a': [1, 2.5, None, True, 'ü'], 'b': {'c': []}}
    for name, read in (('x.json', read_json), ('x.yaml', read_yaml)):
        for mark in (b'', b'\xef\xbb\xbf'):
            (tmp_path / name).write_bytes(mark + json.dumps(tree, ensure_ascii=False).encode())
            assert read(tmp_path / name) == tree
    assert parse_json(nested(MAX_DEPTH)) and parse_yaml(nested(MAX_DEPTH))
    assert parse_yaml('a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}') == {'a': {'x': 1, 'y': 2}, 'b': {'x': 1, 'y': 3}}


@pytest.mark.parametrize('text', [nested(MAX_DEPTH + 1), nested(100_000), '{"a":' * 100_000, '[' * 10_000_000, '{"a',
                                  '', 'x' * 100_000, '1' * 10_000, '"' + 'a' * 1_000_000], ids=label)
def test_hostile_json(text):
    refused(parse_json, text)


@pytest.mark.parametrize('text', [
    nested(MAX_DEPTH + 1), nested(500), '{a: ' * 500, '- ' * 60_000, '? ' * 60_000, LAUGHS, MERGES, 'a: &a [*a]',
    'a: &a {b: *a}', 'a: !!int ""', 'a: !!timestamp x', 'a: !!bool x', 'a: !!float x', 'a: !!binary x',
    '!!python/object/apply:os.system [id]', '? [a]\n: 1', 'a: ' + '1:' * 60_000 + '1', 'a: 0x' + 'f' * 100_000,
    'a: ' + '9' * 100_000, '!' * 100_000, 'a: 1\na: 2', 'a: 2001-99-99', '\0', '*x', '%' * 9999, '"' + '\\' * 9999],
    ids=label)
def test_hostile_yaml(text):
    refused(parse_yaml, text)


def refused(parse, text):
    begun = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match='^not valid ') as error:
            parse(text)
        assert tracemalloc.get_traced_memory()[1] < 2e8
    finally:
        tracemalloc.stop()
    assert len(str(error.value)) < 260 and '\n' not in str(error.value)
    assert time.process_time() - begun < 20  # under tracemalloc; a second without


def test_files_that_are_too_large_or_no_text(tmp_path):
    path = tmp_path / 'x'
    with open(path, 'wb') as file:
        file.truncate(1 << 40)
    for read in (read_json, read_yaml):
        with pytest.raises(ValueError, match=f'^{path}: larger than'):
            read(path)
    path.write_bytes(b'{"a": "\xff"}')
    for read in (read_json, read_yaml):
        with pytest.raises(ValueError, match=f'^{path}: not valid .*not in UTF-8, byte 7'):
            read(path)
    path.write_text(' ' * MAX_JSON + '1')
    with pytest.raises(ValueError, match='larger than'):
        read_json(path)
    assert read_json(path, MAX_JSON + 1) == 1


@pytest.mark.parametrize('value', ['a' * 10 ** 6, list(range(10 ** 6)), {str(i): i for i in range(10 ** 5)},
                                   10 ** 100_000, [[['x'] * 99] * 99] * 99], ids=label)
def test_a_value_takes_no_more_than_its_share_of_a_line(value):
    assert len(shown(value)) <= VALUE


def test_short_values_are_shown_whole():
    for value in ('a', 1, -2.5, None, True, [1, 'b'], (1, 2), {'a': [1]}, 2 ** 64):
        assert shown(value) == repr(value)
    assert shorten('abc', 3) == 'abc' and shorten('a' * 50 + 'b' * 50, 33) == 'a' * 20 + '...' + 'b' * 10


@pytest.mark.parametrize('text', [
    f'{{train: {{epochs: {"x" * 4000}}}}}', f'{{{"k" * 4000}: 1}}', f'[{"1, " * 4000}]',
    f'{{train: {{epochs: 0x{"f" * 4000}}}}}', f'{{data: {{mean: [{"[" * 30}{"]" * 30}]}}}}',
    f'{{data: {{mean: [{"1," * 4000}]}}}}', f'base: [{"1," * 4000}]', f'{{train: {{{"e" * 4000}: 1}}}}',
    f'{{study: {{networks: [[{"1," * 4000}]]}}}}', '{train: {epochs: 1000000000}}', '{study: {seeds: 1000000}}',
    '{study: {trials: 1000000000}}', '{study: {workers: 100000}}', '{data: {batch_size: 1000000000000}}',
    f'{{study: {{networks: [{"x," * 11000}]}}}}', '{runtime: {threads: 100000}}'], ids=label)
def test_a_configuration_of_long_values_is_refused_in_a_line(text, tmp_path):
    path = tmp_path / 'x.yaml'
    path.write_text(text)
    from tinynets.study.config import StudyConfig
    with pytest.raises(ValueError) as error:
        load_config(str(path), kind=StudyConfig)
    assert len(str(error.value)) < LINE and str(error.value).startswith(str(path))


def test_bases_end(tmp_path):
    for i in range(100):
        (tmp_path / f'{i}.yaml').write_text(f'base: {i + 1}.yaml')
    with pytest.raises(ValueError, match='files in a chain of bases'):
        load_config(str(tmp_path / '0.yaml'))


@pytest.mark.parametrize('read, limit', [(read_json, 16 * 1024 * 1024), (read_yaml, 128 * 1024)])
def test_a_file_of_the_most_bytes_is_read_and_one_of_a_byte_more_is_not(read, limit, tmp_path):
    """The C++ program's manifests may have 16 MiB too."""
    path = tmp_path / 'x'
    path.write_bytes(b'[1]'.ljust(limit))
    assert read(path) == [1]
    path.write_bytes(b'[1]'.ljust(limit + 1))
    with pytest.raises(ValueError, match=f'^{path}: larger than {limit:,} bytes, the most that a (JSON|YAML) file'):
        read(path)


def test_depth_values_and_scalars_of_yaml_at_their_limits():
    assert MAX_DEPTH == 64  # as ascend310_infer/src/manifest.cc
    assert parse_yaml('a' * 4096) == 'a' * 4096
    with pytest.raises(ValueError, match='line 2: a value of 4,097 characters'):
        parse_yaml('[1,\n' + 'a' * 4097 + ']')
    shared = 'a: &a [' + '1,' * 9994 + ']\nb: *a\n'  # two keys, two lists of 9,994 values, the mapping itself
    assert len(parse_yaml(shared + 'c: [1,2,3,4,5]')['b']) == 9994
    with pytest.raises(ValueError, match='its aliases multiply to more than 20,000 values'):
        parse_yaml(shared + 'c: [1,2,3,4,5,6]')


def test_what_is_shown_ends_at_a_hundred_characters_and_a_line_at_six_hundred():
    assert shown('a' * 98) == repr('a' * 98) and len(shown('a' * 99)) == 100
    assert shorten('a' * 65 + 'x' + 'b' * 35) == 'a' * 65 + '...' + 'b' * 32
    assert shown(2 ** 399 - 1) == shorten(str(2 ** 399 - 1)) and shown(2 ** 399) == 'a number of 400 bits'
    for make in (list, tuple):
        assert shown(make(range(8))) == repr(make(range(8)))
        assert shown(make(range(9))).strip('[()]') == '0, 1, 2, 3, 4, 5, 6, 7, ...'
    assert shown({i: 0 for i in range(8)}) == repr({i: 0 for i in range(8)})
    assert '...' in shown({i: 0 for i in range(9)})
    assert shown([[[1]]]) == '[[[1]]]' and shown([[[[1]]]]) == '[[[[...]]]]'
    assert describe(ValueError('x' * 600)) == 'x' * 600
    assert describe(ValueError('x' * 601)) == 'x' * 398 + '...' + 'x' * 199


@pytest.mark.parametrize('text, value', [
    ('10', 10), ('-3', -3), ('1_000', 1000), ('0', 0), ('0x1f', 31), ('1.5', 1.5), ('.5', 0.5), ('-2.', -2.0),
    ('1.0e-5', 1e-5), ('1.5e5', 1.5e5), ('-.inf', -math.inf), ('010', '010'), ('1:30', '1:30'), ('1:30.5', '1:30.5'),
    ('0b11', '0b11'), ('00', '00'), ('1e5', '1e5'), ('on', 'on')])
def test_numbers_of_yaml_are_decimal(text, value):
    """YAML 1.1 reads 010 as 8 and 1:30 as 90, which would be silently wrong."""
    found = parse_yaml(f'a: {text}')['a']
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize('key', ['train.epochs', 'data.batch_size'])
def test_other_numbers_are_refused(key):
    for text in ('010', '1:30', '0b11'):
        with pytest.raises(ValueError, match=f"{key}='{text}' must be a whole number"):
            load_config(None, [f'{key}={text}'])
