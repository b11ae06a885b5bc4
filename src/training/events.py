"""A run's metrics as TensorBoard event files: `tensorboard --logdir runs`."""
from __future__ import annotations

import pathlib
from typing import Iterable

TAGS = {  # kind of record -> field -> tag
    'train': {'loss': 'train/loss', 'learning_rate': 'train/learning_rate', 'images_per_s': 'train/images_per_s'},
    'eval': {'loss': 'val/loss', 'top1': 'val/top1', 'top5': 'val/top5'},
}


class Events:
    """Writes records of metrics.jsonl into a folder of event files.

    The records are the truth: the folder is written anew from them when a run starts or goes on, so that steps a killed
    process had gone further than its checkpoint show once.
    """

    def __init__(self, folder: pathlib.Path, records: Iterable[dict] = ()):
        from tensorboardX import SummaryWriter
        folder.mkdir(exist_ok=True)
        for old in folder.glob('events.out.tfevents.*'):
            old.unlink()
        self.writer = SummaryWriter(str(folder), flush_secs=30)
        for record in records:
            self.write(record)

    def write(self, record: dict) -> None:
        """Add one record."""
        for field, tag in TAGS.get(record['kind'], {}).items():
            if field in record:
                self.writer.add_scalar(tag, record[field], record['step'])

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()
