"""What the description of a network tells of the images that it was trained on."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from tinynets.data.division import digest_of, division_of, trained_on_files
from tinynets.data.presets import AnyDivision, names_of
from tinynets.data.trained import Trained


@dataclass(frozen=True)
class Origin:
    """How the training divided its folder, if it had no val/, and the names of all its training images.

    Files of an `earlier` release do not have these names, only `val_digest`, a hash of the validation images' names.
    """
    division: AnyDivision = None
    trained: Optional[Trained] = None
    earlier: bool = False
    val_digest: str = ''

    @classmethod
    def of(cls, meta: dict, source: str) -> Origin:
        """Read a checkpoint's or manifest's description. Raises ValueError, naming `source`, if it is damaged."""
        kept, names = meta.get('trained'), meta.get('names')
        return cls(division_of(meta, source), None if kept is None else Trained.from_dict(kept, source),
                   'trained' not in meta and trained_on_files(meta),
                   names.partition('-')[2] if isinstance(names, str) else '')

    def overlap(self, val_set: Any) -> str:
        """Return how many validation images have the names of training images ('3 of the 10'), '' if none.

        The number is an estimate, 'about 300 of the 1,000', if the names are a sample of the training images.
        """
        names = names_of(val_set)
        if self.trained is None or names is None:
            return ''
        share = self.trained.share(names, divided=getattr(val_set, 'division', None) is not None)
        about = 'about ' if self.trained.sampled and share < 1 else ''
        return f'{about}{max(1, round(share * len(names))):,} of the {len(names):,}' if share else ''

    def unknown(self, val_set: Any) -> bool:
        """Whether nothing tells which validation images were trained on.

        A file of an earlier release tells it only of its own division, and of a val/ with the same names.
        """
        names, own = names_of(val_set), getattr(val_set, 'division', None)
        known = own == self.division if own is not None else self.val_digest == digest_of(names or [])
        return self.earlier and names is not None and not known
