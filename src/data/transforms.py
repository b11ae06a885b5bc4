"""Image -> tensor: the published evaluation preset and the training preset."""
from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Callable, Optional, Sequence, Tuple, Union

import numpy as np
from PIL import Image

from src.data import native
from src.data.images import Jpeg, squared

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

    An image is Pillow's, pixels (H, W, 3) uint8, or an images.Jpeg, of which only what the crop needs is decoded: at
    half the size, a quarter or an eighth where the crop then still has the resolution's pixels or more.

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

    def __call__(self, image: Union[Image.Image, np.ndarray, Jpeg], rng: np.random.Generator) -> np.ndarray:
        out = np.empty((3, self.resolution, self.resolution), np.float32)
        self.write(image, rng, out)
        return out

    def write(self, image: Union[Image.Image, np.ndarray, Jpeg], rng: np.random.Generator, out: np.ndarray) -> None:
        """Put the tensor into `out`, its place in a batch."""
        size = image.shape[1::-1] if isinstance(image, np.ndarray) else image.size
        left, top, width, height = self.crop_box(size, rng)
        box = left, top, left + width, top + height
        mirrored = rng.random() < self.flip
        if self.augment is not None or not self._crop_natively(image, box, mirrored, out):
            image = self._cropped(image, box)
            if mirrored:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            if self.augment is not None:
                image = self.augment(image, rng)
            out[:] = normalise(image, self.mean, self.deviation)
        if self.erase is not None:
            self.erase(out, rng)

    def _crop_natively(self, image, box: Tuple[int, int, int, int], mirrored: bool, out: np.ndarray) -> bool:
        """Write the tensor by compiled code; whether there is any for this image."""
        if isinstance(image, Jpeg):
            return native.crop_jpeg(image.data, image.scale(box, self.resolution), box, mirrored, self._factors, out)
        return isinstance(image, np.ndarray) and native.crop_pixels(image, box, mirrored, self._factors, out)

    def _cropped(self, image, box: Tuple[int, int, int, int]) -> Image.Image:
        """The box of an image at the transform's resolution, by Pillow."""
        left, top, right, bottom = box
        if isinstance(image, Jpeg):
            return image.resized(box, self.resolution)
        if isinstance(image, np.ndarray):
            return squared(Image.fromarray(image[top:bottom, left:right]), self.resolution)
        return image.crop(box).resize((self.resolution, self.resolution), BICUBIC)

    @cached_property
    def _factors(self) -> np.ndarray:
        return np.stack(factors(self.mean, self.deviation))

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


def factors(mean: Sequence[float], deviation: Sequence[float]) -> Tuple[np.ndarray, np.ndarray]:
    """What a channel's values are multiplied by, and what is then subtracted, to be normalised: (3,) float32 each."""
    deviation = np.asarray(deviation, np.float32)
    return 1 / (255 * deviation), np.asarray(mean, np.float32) / deviation


def normalise(image: Image.Image, mean: Sequence[float], deviation: Sequence[float]) -> np.ndarray:
    """(value / 255 - mean) / deviation, channels first, float32."""
    scale, shift = factors(mean, deviation)
    pixels = np.asarray(image, np.float32) * scale - shift
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
