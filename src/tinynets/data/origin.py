"""What the description of a network tells of the images that it was trained on."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from tinynets.data.division import digest_of, division_of, trained_on_files
from tinynets.data.presets import AnyDivision, names_of
from tinynets.data.trained import Trained

FEW = 20  # sampled names, of which a share says little


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

        If the names are a sample of the training images, this is an estimate: 'about 300 of the 1,000', or 'some of the
        30' where few names are in the sample.
        """
        names = names_of(val_set)
        if self.trained is None or names is None:
            return ''
        share, estimated, count = self.trained.found(names, divided=getattr(val_set, 'division', None) is not None)
        if not share:
            return ''
        few = 'some' if count < FEW else f'about {max(1, round(share * len(names))):,}'
        return f'{few if estimated else format(round(share * len(names)), ",")} of the {len(names):,}'

    def unknown(self, val_set: Any) -> bool:
        """Whether it is unknown which validation images were trained on: an earlier release did not keep the names.

        It is known if the set is divided as in the training, or if val/ has the same names.
        """
        names = names_of(val_set)
        if names is None or not (self.earlier or self.trained is not None and not self.trained.complete):
            return False
        own = getattr(val_set, 'division', None)
        return not (own == self.division if own is not None else self.val_digest == digest_of(names))

    def kept(self) -> Optional[Trained]:
        """Return the training images for files that are made from this one, None if it was not trained on files."""
        return Trained.unknown() if self.earlier else self.trained
