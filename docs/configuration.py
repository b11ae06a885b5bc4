"""Prints docs/configuration.md, the page of all configuration keys, from their fields:

    PYTHONPATH=src python docs/configuration.py > docs/configuration.md
"""
import itertools
import typing

import yaml

from tinynets.settings import settings
from tinynets.study.config import StudyConfig

HEAD = """# Configuration keys

This page is generated: `PYTHONPATH=src python docs/configuration.py > docs/configuration.md`.

A key is set in a YAML file (`train: {epochs: 30}`) or on the command line (`--set train.epochs=30`), which takes
precedence. A file may start from another one (`base: other.yaml`) and give only what differs. Unknown keys, wrong types
and values out of range are errors that name file and key. `tinynets train --resume` continues a run as it was started:
only keys with "yes" in the last column may be changed then. "may grow" is for studies: the number may be raised, the
list extended."""
SECTIONS = {'study': 'Read by `tinynets search`; the other sections configure every trial. When a study resumes,\n'
                     'fewer of their keys may change than in a single run: where data is, how it is read, and what it\n'
                     'runs on.'}
COLUMNS = ('key', 'type', 'default', 'range', 'what it does', 'resume')
TYPES = {'int': 'whole number', 'float': 'number', 'str': 'text', 'bool': 'true or false',
         'Channels': '3 numbers, or 1', 'Tuple[float, float]': '2 numbers', 'Tuple[str, ...]': 'list of text'}
RESUMABLE = {True: 'yes', False: 'no'}


def page() -> str:
    lines = [HEAD]
    types = typing.get_type_hints(StudyConfig)
    for section, keys in itertools.groupby(settings(StudyConfig), lambda key: key.name.split('.')[0]):
        about = SECTIONS.get(section) or types[section].__doc__.replace('\n    ', '\n')
        lines += ['', f'## {section}', '', about.strip(), '', f'| {" | ".join(COLUMNS)} |', '|---' * len(COLUMNS) + '|']
        lines += [row(key) for key in keys]
    return '\n'.join(lines) + '\n'


def row(key) -> str:
    kind = key.type.removeprefix('Optional[').removesuffix(']') if key.type.startswith('Optional') else key.type
    kind = TYPES[kind] + (' or null' if kind != key.type else '')
    formerly = f' Formerly `{key.formerly}`, which is still accepted.' if key.formerly else ''
    cells = (f'`{key.name}`', kind, f'`{written(key.default)}`', key.rule.allowed if key.rule else '',
             key.help + formerly, RESUMABLE.get(key.resumable, key.resumable))
    return f'| {" | ".join(cell.replace("|", chr(92) + "|") for cell in cells)} |'.replace('|  |', '| |')


def written(value) -> str:
    """A default as YAML has it, with up to four digits."""
    if isinstance(value, float):
        return f'{value:.4g}'.replace('e-0', 'e-')
    if isinstance(value, tuple):
        return f'[{", ".join(map(written, value))}]'
    return yaml.safe_dump(value).removesuffix('\n').removesuffix('\n...')


if __name__ == '__main__':
    print(page(), end='')
