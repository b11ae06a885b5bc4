"""A study's configuration: every trial's configuration (src/tinynets/config.py), and a section `study`."""
from __future__ import annotations

import dataclasses
import itertools
import os
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Tuple

from tinynets.arch import COSTS, MACS, NetSpec, resolve
from tinynets.arch.zoo import BASES
from tinynets.config import PATHS, Config, ModelConfig, changeable, load_config
from tinynets.formula import RULES, Budget, Formula, Network, design
from tinynets.formula.budget import base_network, parse_amount
from tinynets.formula.sampling import Space, draw
from tinynets.settings import GROWS, Rule, above, at_least, increasing, renamed, setting, settings, within

_RANGE = Rule(increasing(), 'two increasing numbers above 0')


@dataclass(frozen=True)
class StudySection:
    """What a study measures."""
    base: str = setting('efficientnet_b0', 'Base network that is scaled.',
                        Rule(lambda v: v in BASES, f'one of {", ".join(BASES)}'))
    base_resolution: Optional[int] = setting(
        None, "Resolution of the base in pixels; null takes the network's own.",
        Rule(at_least(8).holds, 'at least 8 pixels'))
    r: Tuple[float, float] = setting((0.35, 1.3), 'Smallest and largest factor on the resolution.', _RANGE)
    d: Tuple[float, float] = setting((0.35, 1.6), 'Smallest and largest factor on the depth.', _RANGE)
    w: Tuple[float, float] = setting((0.35, 1.4), 'Smallest and largest factor on the width.', _RANGE)
    budget: Tuple[float, float] = setting(
        (0.03, 1.05), "Smallest and largest cost of a drawn network, as a share of the base's.", _RANGE)
    cost: str = setting(MACS.name, 'Cost that `budget` is given in.',
                        Rule(lambda v: v in COSTS, f'one of {", ".join(COSTS)}'))
    trials: int = setting(0, 'Number of networks drawn from the ranges `r`, `d`, `w` and `budget`.',
                          at_least(0, at_most=100_000), resumable=GROWS)
    networks: Tuple[str, ...] = setting(
        (), 'Networks to train in addition to the drawn ones: names, or a rule and its budget such as `tiny:5M`.',
        Rule(lambda v: len(v) <= 10_000, 'up to 10,000 names'), resumable=GROWS)
    formula: Optional[str] = setting(
        None, 'File of the formula that rules in `networks` use; null takes the published one.')
    seed: int = setting(0, 'Seed of the draw.', within(0, 2 ** 32 - 1))
    seeds: int = setting(1, 'Trainings per network, each with a different seed.', at_least(1, at_most=1000),
                         resumable=GROWS)
    retries: int = setting(1, 'How many times a failed trial is run again.', at_least(0, at_most=1000), resumable=True)
    workers: int = setting(1, 'Trials run at once on this machine.', at_least(1, at_most=256), resumable=True)
    timeout_minutes: Optional[float] = setting(
        None, 'Minutes after which a trial is stopped and counts as failed.', above(0, also=', or null for no limit'),
        resumable=True)
    keep_checkpoints: bool = setting(
        False, 'Whether checkpoints of finished trials are kept.', resumable=True)


@dataclass(frozen=True)
class StudyConfig(Config):
    """Everything a study is made from."""
    study: StudySection = field(default_factory=StudySection)


@dataclass(frozen=True)
class Candidate:
    """A network to train: its name, its specification and its source ('drawn', or as given in `networks`).

    `network` is what a rule made for a budget, if one did.
    """
    name: str
    spec: NetSpec
    label: str
    network: Optional[Network] = None


MAY_GROW = {key.name for key in settings(StudyConfig) if key.resumable == GROWS}  # larger values extend a study
# a trial must be trained like those before it: fewer keys may change than when a single run resumes
MAY_CHANGE = {key for key in changeable(StudyConfig) if key.startswith('study.')} | {
    'data.dir', 'data.workers', 'data.check', 'train.save_minutes', 'runtime.device', 'runtime.device_id',
    'runtime.mode', 'runtime.threads', 'runtime.kernels'}


def load_study(path: Optional[str], overrides: Iterable[str] = ()) -> StudyConfig:
    """Return the configuration of a YAML file, checked as load_config checks.

    Also raises ValueError if model.name or model.resolution is set, or no network is asked for.
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
    """Return the networks of a study, the drawn ones first, each once with all its labels.

    Raises ValueError for an impossible network.
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
            found.append(Candidate(network.name, network.spec, text, network))
        else:
            found.append(Candidate(text, resolve(text, num_classes=num_classes, in_channels=in_channels), text))
    labels: Dict[str, List[str]] = {}
    for candidate in found:
        labels.setdefault(candidate.name, []).append(candidate.label)
    first = {candidate.name: candidate for candidate in reversed(found)}
    made = {candidate.name: candidate.network for candidate in found if candidate.network}
    return [dataclasses.replace(first[name], label=', '.join(dict.fromkeys(labels[name])), network=made.get(name))
            for name in labels]


def _name(spec: NetSpec) -> str:
    return f'{spec.base}@resolution={spec.resolution},d={spec.d:.8g},w={spec.w:.8g}'


def flat(config: StudyConfig) -> Dict[str, object]:
    """Return {section.key: value}, with tuples as lists."""
    return {f'{section.name}.{key.name}': list(value) if isinstance(value, tuple) else value
            for section in dataclasses.fields(config) for key in dataclasses.fields(getattr(config, section.name))
            for value in [getattr(getattr(config, section.name), key.name)]}


def check_same(then: Dict[str, object], now: Dict[str, object], folder: str) -> None:
    """Raise ValueError if a study would continue with another configuration."""
    names = renamed(StudyConfig)
    then = {names.get(key, key): value for key, value in then.items()}
    for key, value in now.items():
        old = then.get(key, value)
        if key in MAY_CHANGE or old == value:
            continue
        # earlier releases kept the path as given
        if tuple(key.split('.')) in PATHS and old and os.path.abspath(old) == value:
            continue
        if key in MAY_GROW:
            grown = set(old) <= set(value) if isinstance(value, list) else old <= value
            if grown:
                continue
        raise ValueError(f'{folder}: was started with {key}={old!r} and would continue with {value!r}; undo the '
                         'change, or choose another --study folder (trials, networks and seeds may grow)')
