"""Pictures: training curves, confusion matrices and predictions, as PNG files."""
from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np

from tinynets.pictures import picture
from tinynets.runtime import printable
from tinynets.tasks.task import Metric


@picture
def training_curve(records: Sequence[dict], metric: Metric, title: str):
    """Draw training loss, learning rate, the evaluations' metric and throughput over epochs from a run's records."""
    from matplotlib.figure import Figure
    train = [r for r in records if r['kind'] == 'train']
    scores = [r for r in records if r['kind'] == 'eval']
    figure = Figure(figsize=(12, 3.6), layout='constrained')
    loss, score, speed = figure.subplots(1, 3)
    loss.plot([r['epoch'] for r in train], [r['loss'] for r in train], color='#1f5fa8', linewidth=1.2)
    loss.set(xlabel='epoch', ylabel='training loss', title=title)
    rate = loss.twinx()
    rate.plot([r['epoch'] for r in train], [r['learning_rate'] for r in train], color='#bbbbbb', linewidth=1)
    rate.set_ylabel('learning rate', color='#888888')
    loss.set_zorder(rate.get_zorder() + 1)
    loss.patch.set_visible(False)
    if scores:
        score.plot([r['epoch'] for r in scores], [r[metric.name] for r in scores], marker='o', markersize=3,
                      color='#c0392b')
        best = metric.best_of(scores)
        score.set_title(f"best {metric.text(best[metric.name])} at epoch {best['epoch']:g}")
    score.set(xlabel='epoch', ylabel=metric.label)
    speed.plot([r['epoch'] for r in train], [r['images_per_s'] for r in train], color='#555555', linewidth=1)
    speed.set(xlabel='epoch', ylabel='training images/s', ylim=(0, None))
    for axis in (loss, score, speed):
        axis.grid(alpha=0.3)
    return figure


@picture
def runs_together(runs: Mapping[str, Sequence[dict]], metric: Metric):
    """Draw the metric, validation loss, training loss and learning rate of several runs over their epochs."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(11, 7), layout='constrained')
    panels = (('eval', metric.name, metric.label), ('eval', 'loss', 'validation loss'),
              ('train', 'loss', 'training loss'), ('train', 'learning_rate', 'learning rate'))
    for axis, (kind, field, label) in zip(figure.subplots(2, 2).ravel(), panels):
        for name, records in runs.items():
            rows = [r for r in records if r['kind'] == kind]
            axis.plot([r['epoch'] for r in rows], [r[field] for r in rows], label=printable(name), linewidth=1.2,
                      marker='o' if len(rows) < (30 if kind == 'eval' else 2) else None, markersize=3)
        axis.set(xlabel='epoch', ylabel=label)
        axis.grid(alpha=0.3)
    handles, labels = axis.get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc='outside upper center', ncols=min(3, len(runs)))
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


@picture
def confusion_matrix(confusion: np.ndarray, class_names: Sequence[str], title: str):
    """Draw a confusion matrix in percent of each true class; numbers are written up to 20 classes."""
    from matplotlib.figure import Figure
    share = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    classes = len(class_names)
    side = min(12, 2.5 + 0.45 * classes)
    figure = Figure(figsize=(side + 1, side), layout='constrained')
    axis = figure.subplots()
    image = axis.imshow(share, cmap='Blues', vmin=0, vmax=100)
    figure.colorbar(image, label='% of the true class', shrink=0.8)
    axis.set(xlabel='predicted', ylabel='true', title=title)
    if classes <= 50:
        axis.set_xticks(range(classes), class_names, rotation=90, parse_math=False)
        axis.set_yticks(range(classes), class_names, parse_math=False)
    if classes <= 20:
        for i, j in np.argwhere(confusion):
            axis.text(j, i, f'{share[i, j]:.0f}', ha='center', va='center', fontsize=8,
                      color='white' if share[i, j] > 50 else 'black')
    return figure


@picture
def predictions(images: Sequence, captions: Sequence[str], right: Sequence, columns: int = 8):
    """Draw images (Pillow, RGB) with a caption each; `right` colours it: True green, False red, None black."""
    from matplotlib.figure import Figure
    rows = max(1, -(-len(images) // columns))
    columns = max(1, -(-len(images) // rows))
    figure = Figure(figsize=(1.6 * columns, 1.9 * rows), layout='constrained')
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axis in axes:
        axis.axis('off')
    for axis, image, caption, correct in zip(axes, images, captions, right):
        axis.imshow(np.asarray(image))
        color = 'black' if correct is None else '#1e7d32' if correct else '#c0392b'
        axis.set_title(caption, fontsize=8, color=color, parse_math=False)
    return figure
