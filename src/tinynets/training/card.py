"""The card of a run's best checkpoint as Markdown: network, data, recipe and accuracy."""
from __future__ import annotations

import hashlib
import json
import os
import re

from tinynets.arch.complexity import measure
from tinynets.arch.spec import NetPlan
from tinynets.commands import spoken
from tinynets.config import PATHS, Config, to_dict
from tinynets.files import file_hash, write_text
from tinynets.output import side_product
from tinynets.runtime import printable
from tinynets.tasks.task import Task
from tinynets.training.build import Parts
from tinynets.training.run import RunFolder
from tinynets.training.state import State

SHOWN = 20  # class names


def write_card(run: RunFolder, parts: Parts, state: State) -> None:
    """Write the card of a run's best checkpoint next to it."""
    with side_product(str(run.card)):
        write_text(run.card, model_card(str(run.best), parts.network.plan, parts.config, state.best, parts.task,
                                        len(parts.task.train_set), parts.total_steps, state.meta()['versions']))


def model_card(checkpoint: str, plan: NetPlan, config: Config, score: dict, task: Task, train_images: int, steps: int,
               versions: dict) -> str:
    """Return the card of the file `checkpoint` as Markdown; `score` is its evaluation.

    Paths in the recipe are reduced to their last part, as a card may be published.
    """
    cost, spec, (outputs, names) = measure(plan), plan.spec, task.outputs()
    recipe = to_dict(config)
    for section, key in PATHS:  # these depend on the machine
        if recipe.get(section, {}).get(key):
            recipe[section][key] = os.path.basename(os.path.abspath(recipe[section][key]))
    shown = ', '.join(map(_markdown, names[:SHOWN])) + (', ...' if len(names) > SHOWN else '')
    rows = [
        ('network', f'{config.model.name} ({spec.base}, r={spec.r:.4g}, d={spec.d:.4g}, w={spec.w:.4g})'),
        ('input', f'{spec.in_channels} x {plan.resolution} x {plan.resolution} px'),
        (outputs, f'{len(names)}: {shown}'),
        ('data', f'{config.data.name}, {train_images:,} training and {score["count"]:,} validation images'),
        *task.score_text(score),
        ('weights', 'moving average' if config.train.ema_decay else 'as trained'),
        ('trained', f'{score["epoch"]} of {config.train.epochs} epochs, {score["step"]:,} of {steps:,} steps'),
        ('multiply-adds', f'{cost.macs:,}'), ('parameters', f'{cost.params:,}'),
        ('peak memory of maps', f'{cost.peak_memory:,} bytes (float32, batch 1)'),
        ('checkpoint', f'{os.path.basename(checkpoint)}, {os.path.getsize(checkpoint):,} bytes'),
        ('sha256', file_hash(checkpoint)),
        ('sha256 of the recipe', hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()),
        ('versions', ', '.join(f'{name} {version}' for name, version in versions.items())),
    ]
    lines = [f'# {config.model.name} on {config.data.name}', '', '| | |', '|---|---|',
             *(f'| {name} | {value} |' for name, value in rows), '', '## Recipe', '', '```yaml',
             *(f'{section}: {json.dumps(keys)}' for section, keys in recipe.items()), '```', '',
             spoken('The numbers are for the validation images above only. Made by train.py; '
                    '`python eval.py --checkpoint` recomputes them.')]
    return '\n'.join(lines) + '\n'


def _markdown(name: str) -> str:
    """Escape a name for a table's cell, so that it is not read as Markdown and stays on one line."""
    name = f'"{name}"' if ',' in name else name
    return printable(re.sub(r'([\\`*_\[\]<>|&#~])', r'\\\1', name))
