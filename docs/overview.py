"""Draws docs/images/overview.png, the picture of README.md: resolution, depth and width for a budget.

    PYTHONPATH=src python docs/overview.py
"""
import pathlib

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from tinynets.arch import expand, measure, resolve
from tinynets.arch.zoo import VARIANTS
from tinynets.formula import Budget, design
from tinynets.formula.budget import base_network

NETWORKS = ('efficientnet_b0', 'tinynet_a', 'tinynet_b', 'tinynet_c', 'tinynet_d', 'tinynet_e')
BUDGET = 100e6
BLUE, GREY, INK = '#2a6fb0', '#9aa5b1', '#222222'
LEFT, NUMBERS, BARS, STEP, END = 0.3, 2.35, 4.9, 0.235, 11.3


def overview() -> Figure:
    """Return a figure of the steps from a budget to the edge and, below, one row per network, drawn from its plan."""
    figure = Figure(figsize=(11.6, 6.6))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, 11.6), ylim=(0, 6.6))
    axis.axis('off')
    spec = design(base_network('efficientnet_b0'), Budget(BUDGET)).spec
    steps = (f'budget\n{BUDGET / 1e6:.0f}M multiply-adds', 'tiny formula\nr(c), d(c), w(c)',
             f'network\n{spec.resolution} px, d {spec.d:.2f}, w {spec.w:.2f}', 'training\non your images',
             'checked export\nMINDIR, ONNX', 'edge program\nC++, CPU or Ascend')
    for i, text in enumerate(steps):
        x = LEFT + i * 1.88
        axis.add_patch(FancyBboxPatch((x, 5.72), 1.5, 0.6, boxstyle='round,pad=0.04', facecolor='#eaf1f8',
                                      edgecolor=BLUE, linewidth=1))
        axis.text(x + 0.75, 6.02, text, ha='center', va='center', fontsize=8.5, color=INK)
        if i:
            axis.annotate('', (x - 0.05, 6.02), (x - 0.33, 6.02), arrowprops={'arrowstyle': '->', 'color': INK})
    for x, text in ((LEFT, 'network, budget'), (NUMBERS, 'r: input side'),
                    (BARS, 'd: number of blocks; w: channels of each'), (END, 'published top-1')):
        axis.text(x, 5.3, text, fontsize=9.5, weight='bold', color=INK, ha='right' if x == END else 'left')
    for row, name in enumerate(NETWORKS):
        draw_network(axis, name, 4.42 - row * 0.83)
    return figure


def draw_network(axis, name: str, y: float) -> None:
    """Draw a row: a square of the input's size, and the blocks of the stages as bars of their channels' height."""
    plan, variant = expand(resolve(name)), VARIANTS[name]
    side = plan.resolution / 224 * 0.72
    title = name.replace('efficientnet_b0', 'EfficientNet-B0').replace('tinynet_', 'TinyNet-')
    title = title[:-1] + title[-1].upper()
    axis.text(LEFT, y + 0.36, title, fontsize=11, weight='bold', color=INK)
    axis.text(LEFT, y + 0.1, f'{measure(plan).macs / 1e6:.0f}M multiply-adds', fontsize=9, color=INK)
    axis.add_patch(Rectangle((NUMBERS, y), 0.72, 0.72, fill=False, edgecolor=GREY, linewidth=0.7, linestyle=':'))
    axis.add_patch(Rectangle((NUMBERS, y), side, side, facecolor='#cfe0f0', edgecolor=BLUE, linewidth=1.2))
    axis.text(NUMBERS + 0.86, y + 0.42, f'{plan.resolution} px', fontsize=10, color=INK)
    axis.text(NUMBERS + 0.86, y + 0.14, f'r {variant.r:g}, d {variant.d:g}, w {variant.w:g}', fontsize=8.5,
              color=INK)
    for i, block in enumerate(block for stage in plan.stages for block in stage):
        axis.add_patch(Rectangle((BARS + i * STEP, y), 0.17, block.out_channels / 320 * 0.72, facecolor=BLUE))
    axis.text(END, y + 0.24, f'{variant.top1} %', fontsize=11, ha='right', color=INK)


if __name__ == '__main__':
    overview().savefig(pathlib.Path(__file__).parent / 'images' / 'overview.png', dpi=110,
                       metadata={'Software': None})
