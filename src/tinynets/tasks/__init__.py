"""Tasks, what a network is trained for: one folder per task. The rest of the package knows them by `task.py` only."""
from __future__ import annotations

import importlib
from typing import Any, Dict

from tinynets.text import shown

TASKS: Dict[str, str] = {  # name -> the class, imported when needed
    'classification': 'tinynets.tasks.classification.task:Classification',
}
DEFAULT = 'classification'  # the task of files without one


def task_class(name: Any) -> Any:
    """Return the class of a task. Raises ValueError for an unknown name."""
    if not isinstance(name, str) or name not in TASKS:
        raise ValueError(f'task {shown(name)}: must be one of {", ".join(TASKS)}')
    module, _, attribute = TASKS[name].partition(':')
    return getattr(importlib.import_module(module), attribute)


def task_of(meta: dict) -> Any:
    """Return the class of the task in a checkpoint's or manifest's description."""
    return task_class(meta.get('task', DEFAULT))
