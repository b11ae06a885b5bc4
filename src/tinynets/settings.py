"""The metadata of configuration keys: default, help, range, former name and whether a resumed run may change them.

A key is a field of a dataclass, made by `setting`. The checks (config.py) and the reference page
(docs/configuration.md) read the same metadata.
"""
from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, Optional, Set, Tuple

GROWS = 'may grow'  # `resumable` of a key that may be raised, or its list extended, but not lowered


@dataclass(frozen=True)
class Rule:
    """A constraint on a key besides its type: `holds(value)` checks a value, `allowed` describes the allowed ones."""
    holds: Callable[[Any], bool]
    allowed: str


@dataclass(frozen=True)
class Setting:
    """A configuration key for the checks and the reference page; `name` and `formerly` are `section.key`."""
    name: str
    type: str
    default: Any
    help: str
    rule: Optional[Rule]
    resumable: typing.Union[bool, str]
    formerly: Optional[str]


def setting(default: Any, help: str, rule: Optional[Rule] = None, resumable: typing.Union[bool, str] = False,
            formerly: Optional[str] = None) -> Any:
    """Return the dataclass field of a configuration key.

    `help` is one sentence with the unit, `rule` the range, and `resumable` says whether a resumed run may change the
    key: True, False or GROWS. `formerly` is the key's name in earlier releases, which stays valid.
    """
    return dataclasses.field(default=default, metadata={
        'help': help, 'rule': rule, 'resumable': resumable, 'formerly': formerly})


def settings(kind: type) -> Iterator[Setting]:
    """Yield the keys of a configuration whose fields are sections, in their order."""
    for section, section_type in typing.get_type_hints(kind).items():
        for field in dataclasses.fields(section_type):
            data, formerly = field.metadata, field.metadata['formerly']
            yield Setting(f'{section}.{field.name}', str(field.type), field.default, data['help'], data['rule'],
                          data['resumable'], formerly and f'{section}.{formerly}')


def rules(kind: type) -> Dict[str, Rule]:
    """Return the rule of every key that has one."""
    return {key.name: key.rule for key in settings(kind) if key.rule}


def renamed(kind: type) -> Dict[str, str]:
    """Return the present name of every name of earlier releases, both as `section.key`."""
    return {key.formerly: key.name for key in settings(kind) if key.formerly}


def changeable(kind: type) -> Set[str]:
    """Return the names of the keys that a resumed run may change."""
    return {key.name for key in settings(kind) if key.resumable is True}


def at_least(low: float, *, below: Optional[float] = None, at_most: Optional[float] = None, also: str = '') -> Rule:
    """A number from `low`, up to one of the upper bounds; `also` is added to the text. null is fine if typed so."""
    return _bounds(low, False, below, at_most, also)


def above(low: float, *, below: Optional[float] = None, at_most: Optional[float] = None, also: str = '') -> Rule:
    """A number above `low`, up to one of the upper bounds."""
    return _bounds(low, True, below, at_most, also)


def within(low: float, high: float, also: str = '') -> Rule:
    """A number from `low` to `high`, both included."""
    return dataclasses.replace(at_least(low, at_most=high), allowed=f'{_written(low)} to {_written(high)}{also}')


def one_of(*choices: str) -> Rule:
    """One of some words."""
    return Rule(lambda v: v in choices, f'{", ".join(choices[:-1])} or {choices[-1]}')


def increasing(at_most: Optional[float] = None) -> Callable[[Tuple[float, float]], bool]:
    """Return the check of two numbers above 0, the second not below the first."""
    return lambda v: 0 < v[0] <= v[1] and (at_most is None or v[1] <= at_most)


def _bounds(low: float, open_: bool, below: Optional[float], at_most: Optional[float], also: str) -> Rule:
    def holds(value: Optional[float]) -> bool:
        return value is None or ((value > low if open_ else value >= low)
                                 and (below is None or value < below) and (at_most is None or value <= at_most))
    parts = [f'above {_written(low)}' if open_ else f'at least {_written(low)}',
             *([f'below {_written(below)}'] if below is not None else ()),
             *([f'at most {_written(at_most)}'] if at_most is not None else ())]
    return Rule(holds, ', '.join(parts) + also)


_WRITTEN = {10 ** 9: '10^9', 2 ** 20: '2^20', 2 ** 31 - 1: '2^31 - 1', 2 ** 32 - 1: '2^32 - 1',
            100_000: '100,000', 1e38: '1e38'}


def _written(number: float) -> str:
    return _WRITTEN.get(number, str(number))
