"""A run whose loss is NaN or infinite, and what to do about it."""
from __future__ import annotations

from tinynets.training.build import Parts
from tinynets.training.run import RunFolder


class Diverged(ValueError):
    """The loss is NaN or infinite; the message says when and what to change."""


def diverged_text(parts: Parts, run: RunFolder, loss: float, step: int) -> str:
    """Return the message for a loss that is NaN or infinite."""
    kept = next((f'the last good checkpoint is {p}' for p in (run.last, run.best) if p.exists()),
                'no checkpoint had been saved yet')
    settings = parts.config.runtime
    return (f'the loss is {loss} at step {step} of {parts.total_steps}: training diverged; {kept}. '
            'Try a lower optim.learning_rate, a longer optim.warmup_epochs or optim.clip_norm=1.' +
            ('' if settings.amp == 'O0' else f' Also try runtime.amp=O0: the precision or range of '
             f'{settings.amp_type} may be too small.'))
