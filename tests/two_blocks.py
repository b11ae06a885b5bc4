"""A base network of two blocks, with everything that a training may use; its graphs compile fastest."""
from dataclasses import replace

from tinynets.arch.spec import StageSpec
from tinynets.arch.zoo import BASES, EFFICIENTNET_B0

NAME = 'two_blocks'

BASES[NAME] = replace(
    EFFICIENTNET_B0, name=NAME, base=NAME, base_resolution=16, stem=replace(EFFICIENTNET_B0.stem, channels=8),
    stages=(StageSpec('depthwise_separable', 8, kernel=3, stride=1, expansion=1, repeats=2, se_ratio=0.25),), head=None)
