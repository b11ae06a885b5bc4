"""Image -> tensor: the published evaluation preset and the training preset."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Optional, Sequence, Tuple

import numpy as np
from PIL import Image

BICUBIC = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class EvalTransform:
    """RGB image -> (3, resolution, resolution) float32, deterministic.

    The shorter side becomes floor(resolution / crop_ratio) pixels by Pillow's antialiased bicubic, the center is cut
    out, and (value / 255 - mean) / deviation: the preprocessing of the published accuracies. Of an image more than eight
    times as long as wide the far ends, of which the cut takes nothing, go first: resized whole it may not fit in memory.
    """
    resolution: int
    crop_ratio: float
    mean: Sequence[float]
    deviation: Sequence[float]

    def pixels(self, image: Image.Image) -> Image.Image:
        """The resized and cut image before normalisation."""
        image = _without_far_ends(image)
        width, height = image.size
        short = math.floor(self.resolution / self.crop_ratio)
        size = (short, max(short, int(short * height / width))) if width <= height else (
            max(short, int(short * width / height)), short)
        for step in ((size[0], image.height), size):  # Pillow 13 would begin with the height of tall images, others not
            if image.size != step:
                image = image.resize(step, BICUBIC)
        left = round((size[0] - self.resolution) / 2)
        top = round((size[1] - self.resolution) / 2)
        return image.crop((left, top, left + self.resolution, top + self.resolution))

    def __call__(self, image: Image.Image) -> np.ndarray:
        return normalise(self.pixels(image), self.mean, self.deviation)


@dataclass(frozen=True)
class TrainTransform:
    """RGB image -> (3, resolution, resolution) float32, random: crop of area and aspect, resize, flip.

    The crop's area is uniform in `area` (share of the image), its aspect log-uniform in `aspect`, ten tries and then
    the largest central crop in range (Szegedy et al., CVPR 2015, as commonly implemented); `flip` is the chance of a
    horizontal mirror. Bicubic always, where the authors' code draws the interpolation as well. `augment` (image, rng)
    then changes the image and `erase` (pixels, rng) the normalised pixels, see src/data/augment.py.
    """
    resolution: int
    mean: Sequence[float]
    deviation: Sequence[float]
    area: Tuple[float, float] = (0.08, 1.0)
    aspect: Tuple[float, float] = (0.75, 4 / 3)
    flip: float = 0.5
    augment: Optional[Callable] = None
    erase: Optional[Callable] = None

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> np.ndarray:
        left, top, width, height = self.crop_box(image.size, rng)
        image = image.crop((left, top, left + width, top + height))
        image = image.resize((self.resolution, self.resolution), BICUBIC)
        if rng.random() < self.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.augment is not None:
            image = self.augment(image, rng)
        pixels = normalise(image, self.mean, self.deviation)
        return pixels if self.erase is None else self.erase(pixels, rng)

    def crop_box(self, size: Tuple[int, int], rng: np.random.Generator) -> Tuple[int, int, int, int]:
        """Draw (left, top, width, height) in pixels of an image of `size` (width, height)."""
        full_width, full_height = size
        for _ in range(10):
            area = full_width * full_height * rng.uniform(*self.area)
            aspect = math.exp(rng.uniform(math.log(self.aspect[0]), math.log(self.aspect[1])))
            width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < width <= full_width and 0 < height <= full_height:
                return (int(rng.integers(0, full_width - width + 1)), int(rng.integers(0, full_height - height + 1)),
                        width, height)
        width, height = full_width, full_height
        if full_width / full_height < self.aspect[0]:
            height = max(1, round(width / self.aspect[0]))
        elif full_width / full_height > self.aspect[1]:
            width = max(1, round(height * self.aspect[1]))
        return (full_width - width) // 2, (full_height - height) // 2, width, height


def _without_far_ends(image: Image.Image) -> Image.Image:
    width, height = image.size
    longest = 8 * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return image.crop((left, top, min(width, left + longest), min(height, top + longest)))


def normalise(image: Image.Image, mean: Sequence[float], deviation: Sequence[float]) -> np.ndarray:
    """(value / 255 - mean) / deviation, channels first, float32."""
    scale = 1 / (255 * np.asarray(deviation, np.float32))
    shift = np.asarray(mean, np.float32) / np.asarray(deviation, np.float32)
    pixels = np.asarray(image, np.float32) * scale - shift
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
