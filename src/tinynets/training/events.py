"""A run's metrics as TensorBoard event files: `tensorboard --logdir runs`."""
from __future__ import annotations

import pathlib
import time
from typing import Iterable, Iterator, Tuple

from tinynets.output import side_product

TRAIN = ('loss', 'learning_rate', 'images_per_s')  # of a training record
LEFT_OUT = ('kind', 'step', 'epoch', 'correct', 'count', 'images_per_s')  # of an evaluation; other keys are scores
FLUSH_SECONDS = 30.0  # between writes to the disk


class Events:
    """Writes the records of metrics.jsonl to a folder of event files.

    When a run starts or resumes, the folder is rewritten from the records, so that steps which a killed process had
    done after its last checkpoint are shown once. After a failed write no further event is written, as readers stop at
    an incomplete one.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder, self.writer, self.flushed = folder, None, 0.0

    def begin(self, records: Iterable[dict] = ()) -> None:
        """Rewrite the folder with the given records."""
        with side_product(str(self.folder)):
            # not SummaryWriter: its queue needs shared memory, and blocks for ever after its thread met a full disk
            from tensorboardX.event_file_writer import EventsWriter
            self.folder.mkdir(exist_ok=True)
            for old in self.folder.glob('events.out.tfevents.*'):
                old.unlink()
            self.writer = EventsWriter(str(self.folder.absolute() / 'events'))
        for record in records:
            self.write(record)

    def write(self, record: dict) -> None:
        """Add one record."""
        writer, self.writer = self.writer, None
        if writer is None:
            return
        with side_product(str(self.folder)):
            from tensorboardX.proto.event_pb2 import Event
            from tensorboardX.summary import scalar
            for tag, number in _tagged(record):
                writer.write_event(Event(wall_time=time.time(), step=record['step'], summary=scalar(tag, number)))
            if time.monotonic() - self.flushed > FLUSH_SECONDS:
                writer.flush()
                self.flushed = time.monotonic()
            self.writer = writer

    def close(self) -> None:
        """Write buffered events and close the file."""
        writer, self.writer = self.writer, None
        if writer is not None:
            with side_product(str(self.folder)):
                writer.close()


def _tagged(record: dict) -> Iterator[Tuple[str, float]]:
    """Yield the tags and numbers of a record."""
    if record['kind'] == 'train':
        yield from ((f'train/{field}', record[field]) for field in TRAIN if field in record)
    else:
        yield from ((f'val/{field}', number) for field, number in record.items() if field not in LEFT_OUT)
