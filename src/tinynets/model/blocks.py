"""A block's cell, made from its layers (src/tinynets/arch/layers.py)."""
from __future__ import annotations

from typing import Optional

from mindspore import nn

from tinynets.arch.layers import block_layers
from tinynets.arch.spec import BlockPlan
from tinynets.model.layers import build_layer
from tinynets.native import cells as native_cells
from tinynets.native.fusion import Step


class Block(nn.Cell):
    """The layers of a block, run in order: the map before the block -> the map after it.

    `kernels` is the library of compiled CPU operators or None. With it, maps are channels-last, (N, H, W, C), and the
    block runs `steps` (src/tinynets/native/fusion.py), in which several layers may be one operator. Parameters and
    their names are the same.
    """

    def __init__(self, plan: BlockPlan, seed: int = 0, kernels: Optional[str] = None, steps: tuple = ()):
        super().__init__()
        layers = block_layers(plan)
        cells = [build_layer(layer, plan.name, seed) for layer in layers]
        for layer, cell in zip(layers, cells):
            _place(self, layer.name, cell)
        steps = steps or tuple(Step((i,), layer.reads) for i, layer in enumerate(layers))
        self.runs = tuple(native_cells.build_step(step, layers, cells, kernels) if kernels else cells[step.layers[0]]
                          for step in steps)
        # index of each map in `construct`'s list; the first entry is None, for optional inputs that are not used
        places, count = {None: 0, 0: 1}, 2
        reads = []
        for step in steps:
            reads.append(tuple(places[j] for j in step.reads))
            for layer in step.layers[-2 if step.pooled else -1:]:  # maps inside a step do not exist
                places[layer + 1], count = count, count + 1
        self.reads, self.pooled = tuple(reads), tuple(step.pooled for step in steps)

    def construct(self, x):
        maps = [None, x]
        for i in range(len(self.runs)):
            reads = self.reads[i]
            if len(reads) == 1:
                y = self.runs[i](maps[reads[0]])
            elif len(reads) == 2:
                y = self.runs[i](maps[reads[0]], maps[reads[1]])
            else:
                y = self.runs[i](maps[reads[0]], maps[reads[1]], maps[reads[2]])
            if self.pooled[i]:
                maps.append(y[0])
                maps.append(y[1])
            else:
                maps.append(y)
        return maps[-1]


class Place(nn.Cell):
    """A container of cells, whose names start with the container's; it is never called."""


def _place(block: nn.Cell, name: str, cell: nn.Cell) -> None:
    """Put `cell` into the block as `name`, where dots separate nested places; '' means the cell's parts."""
    if not name:
        for part, child in cell.name_cells().items():
            setattr(block, part, child)
        return
    *places, last = name.split('.')
    for place in places:
        if place not in block.name_cells():
            setattr(block, place, Place())
        block = getattr(block, place)
    setattr(block, last, cell)
