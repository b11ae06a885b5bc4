"""The card of a run's best checkpoint: what it is, from what it was made and how good it is, as Markdown."""
from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Sequence

from tinynets.arch.complexity import measure
from tinynets.arch.spec import NetPlan
from tinynets.commands import spoken
from tinynets.config import PATHS, Config, to_dict
from tinynets.files import file_hash
from tinynets.runtime import printable

SHOWN = 20  # class names


def model_card(checkpoint: str, plan: NetPlan, config: Config, score: dict, class_names: Sequence[str],
               train_images: int, steps: int, versions: dict) -> str:
    """Return Markdown that describes the checkpoint at `checkpoint`; `score` is its evaluation.

    Files and folders of the recipe are called by their last names, for a card may be published.
    """
    cost, spec = measure(plan), plan.spec
    recipe = to_dict(config)
    for section, key in PATHS:  # which are the machine's own matter
        if recipe.get(section, {}).get(key):
            recipe[section][key] = os.path.basename(os.path.abspath(recipe[section][key]))
    shown = ', '.join(map(_markdown, class_names[:SHOWN])) + (', ...' if len(class_names) > SHOWN else '')
    rows = [
        ('network', f'{config.model.name} ({spec.base}, r={spec.r:.4g}, d={spec.d:.4g}, w={spec.w:.4g})'),
        ('input', f'{spec.in_channels} x {plan.resolution} x {plan.resolution} px'),
        ('classes', f'{len(class_names)}: {shown}'),
        ('data', f'{config.data.name}, {train_images:,} training and {score["count"]:,} validation images'),
        ('top-1', f'{score["top1"]:.2f} %'), ('top-5', f'{score["top5"]:.2f} %'), ('loss', f'{score["loss"]:.4f}'),
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
             spoken('The numbers are of the validation images above and say nothing of others. Made by train.py; '
                    '`python eval.py --checkpoint` recomputes them.')]
    return '\n'.join(lines) + '\n'


def _markdown(name: str) -> str:
    """A name as it is, in a table's cell: nothing in it is Markdown, and it stays on its line."""
    name = f'"{name}"' if ',' in name else name
    return printable(re.sub(r'([\\`*_\[\]<>|&#~])', r'\\\1', name))
