"""Refusing positional values, which the official model zoo's scripts take, with the right command."""
from __future__ import annotations

import os
import shlex
from typing import List, Sequence

from tinynets.commands import MODELS

CONFIGS = ('.yaml', '.yml')


def check_named(script: str, arguments: Sequence[str]) -> None:
    """Raise ValueError if train.py or eval.py has values before the first option; other scripts may take some."""
    values = _values(arguments) if script in ('train.py', 'eval.py') else []
    if not values:
        return
    if any(_ends(value, '.json') for value in values):
        raise ValueError(f'{script} takes no rank table: {_launch(script, values)}')
    folders = [value for value in values if not _ends(value, *CONFIGS, *MODELS)]
    models = [value for value in values if _ends(value, *MODELS)]
    if script == 'eval.py':
        words = ['--checkpoint', *(models[:1] or ['CHECKPOINT'])]
    else:
        words = ['--config', next((value for value in values if _ends(value, *CONFIGS)), 'CONFIG')]
        words += ['--set', f'model.pretrained={models[0]}'] if models else []
    words += ['--data-dir', folders[0]] if folders else []
    raise ValueError(f'{script} takes its arguments by name: python {shlex.join([script, *words])}')


def check_filled(arguments: Sequence[str]) -> None:
    """Raise ValueError for an empty value: an unset variable of a shell must not be taken as "not given"."""
    for before, value in zip(('', *arguments), arguments):
        if value == '' or value.startswith('--') and value.find('=') == len(value) - 1:  # not --set=KEY=
            option = value.rstrip('=') or before
            raise ValueError(f"{option if option.startswith('--') else 'arguments'}: one value is empty; give one, or "
                             'leave the option out')


def check_distributed(script: str, arguments: Sequence[str]) -> None:
    """Raise ValueError if the launcher's values are not CONFIG or CHECKPOINT and then a number."""
    target, *others = values = _values(arguments)
    if others and others[0].isdigit():
        del others[0]
    if others or target.isdigit() or _ends(target, '.json') or _holds_data(target):
        raise ValueError(f'the order is {_target(script)} [N] [options of {script}]: {_launch(script, values)}')


def _values(arguments: Sequence[str]) -> List[str]:
    """Return the arguments before the first option."""
    first = next((i for i, argument in enumerate(arguments) if argument.startswith('-')), len(arguments))
    return list(arguments[:first])


def _ends(value: str, *endings: str) -> bool:
    return value.lower().endswith(endings)


def _holds_data(folder: str) -> bool:
    """Whether a folder holds data and not a run: it has other folders than a run, and no configuration."""
    if not os.path.isdir(folder) or os.path.isfile(os.path.join(folder, 'config.yaml')):
        return False
    return any(entry.is_dir() and entry.name not in ('logs', 'events', 'export') for entry in os.scandir(folder))


def _target(script: str) -> str:
    return 'CHECKPOINT' if script == 'eval.py' else 'CONFIG'


def _launch(script: str, values: Sequence[str]) -> str:
    """Return the launcher's command for a table, a data folder, a configuration or checkpoint and a number."""
    tables = [value for value in values if _ends(value, '.json')]
    targets = [value for value in values if _ends(value, *(MODELS if script == 'eval.py' else CONFIGS))]
    folders = [value for value in values if os.path.isdir(value)]
    count = next((value for value in values if value.isdigit()), '8')
    name = script.removesuffix('.py')
    words = ['bash', f'scripts/run_distribute_{name}.sh', *(targets[:1] or [_target(script)]), count]
    words += ['--data-dir', folders[0]] if folders else []
    return ''.join(f'RANK_TABLE_FILE={shlex.quote(table)} ' for table in tables[:1]) + shlex.join(words)
