"""A study's configuration: that of every trial (src/config.py), and a section `study`."""
from __future__ import annotations

import dataclasses
import itertools
import os
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Tuple

from src.arch import NetSpec, resolve
from src.arch.zoo import BASES
from src.config import PATHS, Config, ModelConfig, load_config
from src.formula import RULES, Budget, Formula, design
from src.formula.budget import COSTS, base_network, parse_amount
from src.formula.sampling import Space, draw


@dataclass(frozen=True)
class StudySection:
    """What is measured.

    `trials` networks are drawn from the ranges `r`, `d`, `w` whose `cost` is `budget` times the base's. `networks` are
    given ones: names of src/arch/zoo.py, or a rule and its budget, `tiny:5M`, by `formula` (a file; default: the
    published one). `base_resolution` in pixels. `seed` is the draw's; every network is trained `seeds` times. A trial
    that fails is tried `retries` times more, one that takes longer than `timeout_minutes` has failed. `workers` run at
    once on this machine. Checkpoints of finished trials are deleted unless `keep_checkpoints`.
    """
    base: str = 'efficientnet_b0'
    base_resolution: Optional[int] = None
    r: Tuple[float, float] = (0.35, 1.3)
    d: Tuple[float, float] = (0.35, 1.6)
    w: Tuple[float, float] = (0.35, 1.4)
    budget: Tuple[float, float] = (0.03, 1.05)
    cost: str = 'macs'
    trials: int = 0
    networks: Tuple[str, ...] = ()
    formula: Optional[str] = None
    seed: int = 0
    seeds: int = 1
    retries: int = 1
    workers: int = 1
    timeout_minutes: Optional[float] = None
    keep_checkpoints: bool = False

    RANGES = {
        'base': (lambda v: v in BASES, f'one of {", ".join(BASES)}'),
        'base_resolution': (lambda v: v is None or v >= 8, 'at least 8 pixels'),
        'cost': (lambda v: v in COSTS, f'one of {", ".join(COSTS)}'),
        'trials': (lambda v: 0 <= v <= 100_000, 'at least 0, at most 100,000'),
        'networks': (lambda v: len(v) <= 10_000, 'up to 10,000 names'),
        'seed': (lambda v: 0 <= v < 2 ** 32, '0 to 2^32 - 1'),
        'seeds': (lambda v: 1 <= v <= 1000, 'at least 1, at most 1000'),
        'retries': (lambda v: 0 <= v <= 1000, 'at least 0, at most 1000'),
        'workers': (lambda v: 1 <= v <= 256, 'at least 1, at most 256'),
        'timeout_minutes': (lambda v: v is None or v > 0, 'above 0, or null for no limit'),
        **{name: (lambda v: 0 < v[0] <= v[1], 'two increasing numbers above 0') for name in ('r', 'd', 'w', 'budget')},
    }


@dataclass(frozen=True)
class StudyConfig(Config):
    """Everything a study is made from."""
    study: StudySection = field(default_factory=StudySection)


@dataclass(frozen=True)
class Candidate:
    """A network to train: its name, its specification and where it is from ('drawn' or as given in `networks`)."""
    name: str
    spec: NetSpec
    label: str


MAY_GROW = ('study.trials', 'study.networks', 'study.seeds')  # more of them extend a study
MAY_CHANGE = ('study.workers', 'study.retries', 'study.timeout_minutes', 'study.keep_checkpoints',
              'data.dir', 'data.workers', 'data.check', 'train.save_minutes', 'runtime.device', 'runtime.device_id',
              'runtime.mode', 'runtime.threads', 'runtime.kernels')


def load_study(path: Optional[str], overrides: Iterable[str] = ()) -> StudyConfig:
    """Return the configuration of a YAML file, checked as load_config checks.

    Raises ValueError as well where the trials' networks are set, or none is asked for.
    """
    config = load_config(path, overrides, StudyConfig)
    default = ModelConfig()
    if (config.model.name, config.model.resolution) != (default.name, default.resolution):
        raise ValueError(f'{path}: model.name and model.resolution are set by the study; give study.base and '
                         'study.base_resolution, or study.networks')
    if not config.study.trials and not config.study.networks:
        raise ValueError(f'{path}: no network to train; set study.trials, or study.networks')
    return config


def candidates(study: StudySection, num_classes: int, in_channels: int = 3) -> List[Candidate]:
    """The networks of a study, the drawn ones first, each once with all its labels.

    Raises ValueError for one that can't be.
    """
    base = base_network(study.base, study.base_resolution, num_classes, in_channels)
    space = Space(study.r, study.d, study.w, study.budget, study.cost)
    drawn = itertools.islice(draw(base, space, study.seed), study.trials) if study.trials else ()
    found = [Candidate(_name(spec), spec, 'drawn') for spec in drawn]
    for text in study.networks:
        rule, colon, amount = text.partition(':')
        if colon and rule in RULES:
            formula = Formula.load(study.formula) if study.formula else Formula.load()
            network = design(base, Budget(parse_amount(amount), study.cost), rule, formula)
            found.append(Candidate(network.name, network.spec, text))
        else:
            found.append(Candidate(text, resolve(text, num_classes=num_classes, in_channels=in_channels), text))
    labels: Dict[str, List[str]] = {}
    for candidate in found:
        labels.setdefault(candidate.name, []).append(candidate.label)
    first = {candidate.name: candidate for candidate in reversed(found)}
    return [dataclasses.replace(first[name], label=', '.join(dict.fromkeys(labels[name]))) for name in labels]


def _name(spec: NetSpec) -> str:
    return f'{spec.base}@resolution={spec.resolution},d={spec.d:.8g},w={spec.w:.8g}'


def flat(config: StudyConfig) -> Dict[str, object]:
    """{section.key: value}, tuples as lists."""
    return {f'{section.name}.{key.name}': list(value) if isinstance(value, tuple) else value
            for section in dataclasses.fields(config) for key in dataclasses.fields(getattr(config, section.name))
            for value in [getattr(getattr(config, section.name), key.name)]}


def check_same(then: Dict[str, object], now: Dict[str, object], folder: str) -> None:
    """Raise ValueError where a study would continue as another one."""
    for key, value in now.items():
        old = then.get(key, value)
        if key in MAY_CHANGE or old == value:
            continue
        # earlier releases kept it as given
        if tuple(key.split('.')) in PATHS and old and os.path.abspath(old) == value:
            continue
        if key in MAY_GROW:
            grown = set(old) <= set(value) if isinstance(value, list) else old <= value
            if grown:
                continue
        raise ValueError(f'{folder}: was started with {key}={old!r} and would continue with {value!r}; undo the change, or '
                         'choose another --study folder (trials, networks and seeds may grow)')
