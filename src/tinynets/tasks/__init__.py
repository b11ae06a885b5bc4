"""What networks are trained for: one folder for each task. `task.py` is what the rest of the package knows of them."""
from __future__ import annotations

import importlib
from typing import Any, Dict

from tinynets.text import shown

TASKS: Dict[str, str] = {  # name -> the class, imported when it is asked for
    'classification': 'tinynets.tasks.classification.task:Classification',
}
DEFAULT = 'classification'  # of files that do not say


def task_class(name: Any) -> Any:
    """The class of a task. Raises ValueError for an unknown name."""
    if not isinstance(name, str) or name not in TASKS:
        raise ValueError(f'task {shown(name)}: must be one of {", ".join(TASKS)}')
    module, _, attribute = TASKS[name].partition(':')
    return getattr(importlib.import_module(module), attribute)


def task_of(meta: dict) -> Any:
    """The class of the task that a checkpoint's or manifest's description belongs to."""
    return task_class(meta.get('task', DEFAULT))
