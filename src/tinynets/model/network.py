"""Plan -> Cell: the network, its feature taps, and `create_model`."""
from __future__ import annotations

import sys
from typing import Callable, Optional, Sequence, Tuple

from mindspore import nn

from tinynets import native
from tinynets.arch.spec import BlockPlan, NetPlan, expand
from tinynets.arch.zoo import resolve
from tinynets.model.blocks import Block
from tinynets.model.layers import FromLayers, ToLayers
from tinynets.model.pretrained import load_pretrained
from tinynets.model.weights import initialise
from tinynets.native import fusion


class Network(nn.Cell):
    """A classification network: images (N, in_channels, H, W) -> logits (N, num_classes).

    `plan` is kept as an attribute. Any H and W work; the plan's resolution is the size that the network was scaled for.
    On a CPU the layers use the compiled `kernels` of src/tinynets/native if there are any, with the same results and
    names. Parameter names start with the block's place: `stem.`, `stages.<stage>.<block>.`, `head.`, `classifier.`.
    """

    def __init__(self, plan: NetPlan, seed: int = 0):
        super().__init__()
        self.plan = plan
        self.kernels = native.active() if fusion.serves(plan) else None
        steps = fusion.network_steps(plan) if self.kernels else {}

        def build(block: BlockPlan) -> Block:
            return Block(block, seed, self.kernels, steps.get(block.name, ()))

        self.enter = ToLayers(self.kernels)
        self.stem = build(plan.stem)
        self.stages = nn.SequentialCell([nn.SequentialCell([build(block) for block in stage]) for stage in plan.stages])
        self.head = build(plan.head) if plan.head is not None else nn.Identity()
        self.classifier = build(plan.classifier)

    def construct(self, x):
        return self.classifier(self.head(self.stages(self.stem(self.enter(x)))))


class FeatureExtractor(nn.Cell):
    """The feature maps of a network at given total strides, for a detector or another head.

    Images (N, in_channels, H, W) -> a tuple with one map (N, C_i, ~H / s_i, ~W / s_i) per stride s_i, each the output
    of the last stage at that stride, finest first. `channels` lists the C_i. Shares the network's parameters.
    Raises ValueError for a stride the network does not have.
    """

    def __init__(self, network: Network, strides: Sequence[int] = (8, 16, 32)):
        super().__init__()
        last = {stage[-1].stride_from_input: i for i, stage in enumerate(network.plan.stages)}
        missing = [s for s in strides if s not in last]
        if missing or not strides or len(set(strides)) < len(strides):
            raise ValueError(f'feature strides {list(strides)}: must be different numbers of {sorted(last)}')
        self.strides: Tuple[int, ...] = tuple(sorted(strides))
        self.taps = tuple(last[s] for s in self.strides)
        self.channels = tuple(network.plan.stages[i][-1].out_channels for i in self.taps)
        self.enter, self.leave = network.enter, FromLayers(network.kernels)
        self.stem = network.stem
        self.stages = nn.CellList([network.stages[i] for i in range(self.taps[-1] + 1)])

    def construct(self, x):
        x = self.stem(self.enter(x))
        features = ()
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in self.taps:
                features += (self.leave(x),)
        return features


def create_model(name: str, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0,
                 drop_path: float = 0.0, resolution: int | None = None, seed: int = 0,
                 checkpoint: Optional[str] = None, say: Optional[Callable[[str], None]] = None) -> Network:
    """Build a named network, or any (r, d, w) of one (`efficientnet_b0@r=0.7,d=0.9`), with initial weights.

    `resolution` (pixels) replaces the variant's own and does not change the shapes of weights. The weights depend on
    `seed` only, or come from the file `checkpoint` (.ckpt, .safetensors, .pth), except a classifier with another number
    of classes. `say` is called with a line on the loaded weights (default: standard error). Raises ValueError for an
    unknown name, a value out of range or weights that do not fit, and FileNotFoundError.
    """
    spec = resolve(name, num_classes=num_classes, in_channels=in_channels, dropout=dropout, drop_path=drop_path,
                   resolution=resolution)
    network = Network(expand(spec), seed)
    initialise(network, seed)
    if checkpoint is not None:
        line = load_pretrained(network, checkpoint)
        say(line) if say else print(line, file=sys.stderr)
    return network
