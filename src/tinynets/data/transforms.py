"""Image -> tensor: the published evaluation preset and the training preset."""
from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Callable, List, Optional, Sequence, Tuple, Union

import numpy as np
from PIL import Image

from tinynets.data import native
from tinynets.data.images import Jpeg, squared

BICUBIC = Image.Resampling.BICUBIC
_LONG = 8  # an image more than this many times as long as wide is not resized whole
_PRECISION = 32 - 8 - 2  # bits after the point of Pillow's weights


@dataclass(frozen=True)
class EvalTransform:
    """RGB image -> (3, resolution, resolution) float32, deterministic.

    The shorter side becomes floor(resolution / crop_ratio) pixels by Pillow's antialiased bicubic, the center is
    cropped, and values become (value / 255 - mean) / std: the preprocessing of the published accuracies. For an image
    more than eight times as long as wide only the crop is computed, with the same bits, as the whole may not fit into
    memory. With one mean the image becomes grey before it is resized: luminance as Pillow's convert('L') computes it.
    """
    resolution: int
    crop_ratio: float
    mean: Sequence[float]
    std: Sequence[float]

    def pixels(self, image: Image.Image) -> Image.Image:
        """Return the resized and cropped image before normalisation, always RGB."""
        if len(self.mean) == 1:
            image = image.convert('L').convert('RGB')
        short, shorter = math.floor(self.resolution / self.crop_ratio), min(image.size)
        width, height = (max(short, int(short * side / shorter)) for side in image.size)
        left, top = (round((side - self.resolution) / 2) for side in (width, height))
        if max(image.size) > _LONG * shorter:
            return _middle(image, (width, height), (left, top), self.resolution)
        for step in ((width, image.height), (width, height)):  # width first; Pillow 13 does tall images height first
            if image.size != step:
                image = image.resize(step, BICUBIC)
        return image.crop((left, top, left + self.resolution, top + self.resolution))

    def __call__(self, image: Image.Image) -> np.ndarray:
        return normalise(self.pixels(image), self.mean, self.std)


@dataclass(frozen=True)
class TrainTransform:
    """RGB image -> (3, resolution, resolution) float32, random: crop of area and aspect, resize, flip.

    An image is Pillow's, pixels (H, W, 3) uint8, or an images.Jpeg. Only the crop of a Jpeg is decoded, at 1/2, 1/4 or
    1/8 of the size if the crop then still has at least the resolution's pixels.

    The crop's area is uniform in `area` (share of the image), its aspect log-uniform in `aspect`; after ten tries it is
    the largest central crop in range (Szegedy et al., CVPR 2015, as commonly implemented). `flip` is the probability of
    a horizontal mirror. The interpolation is always bicubic, while the authors' code draws it. `augment` (image, rng)
    then changes the image and `erase` (pixels, rng) the normalised pixels, see src/tinynets/data/augment.py. With one
    mean the RGB pixels become grey, as by Pillow's convert('L'), before `erase`, and the tensor has one channel.
    """
    resolution: int
    mean: Sequence[float]
    std: Sequence[float]
    area: Tuple[float, float] = (0.08, 1.0)
    aspect: Tuple[float, float] = (0.75, 4 / 3)
    flip: float = 0.5
    augment: Optional[Callable] = None
    erase: Optional[Callable] = None

    def __call__(self, image: Union[Image.Image, np.ndarray, Jpeg], rng: np.random.Generator) -> np.ndarray:
        out = np.empty(self.shape, np.float32)
        self.write(image, rng, out)
        return out

    @property
    def shape(self) -> Tuple[int, int, int]:
        """Return the shape of one tensor."""
        return len(self.mean), self.resolution, self.resolution

    def write(self, image: Union[Image.Image, np.ndarray, Jpeg], rng: np.random.Generator, out: np.ndarray) -> None:
        """Write the tensor to `out`, its place in a batch."""
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
            out[:] = normalise(image, self.mean, self.std)
        if self.erase is not None:
            self.erase(out, rng)

    def _crop_natively(self, image, box: Tuple[int, int, int, int], mirrored: bool, out: np.ndarray) -> bool:
        """Write the tensor by compiled code; return False if there is none for this image."""
        grey = len(self.mean) == 1
        rgb = np.empty((3, *out.shape[1:]), np.float32) if grey else out
        if isinstance(image, Jpeg):
            done = native.crop_jpeg(image.data, image.scale(box, self.resolution), box, mirrored, self._factors, rgb)
        else:
            done = isinstance(image, np.ndarray) and native.crop_pixels(image, box, mirrored, self._factors, rgb)
        if done and grey:
            bytes_ = rgb.astype(np.uint8).transpose(1, 2, 0)
            out[:] = normalise(Image.fromarray(np.ascontiguousarray(bytes_)), self.mean, self.std)
        return done

    def _cropped(self, image, box: Tuple[int, int, int, int]) -> Image.Image:
        """Return the box of an image at the transform's resolution, by Pillow."""
        left, top, right, bottom = box
        if isinstance(image, Jpeg):
            return image.resized(box, self.resolution)
        if isinstance(image, np.ndarray):
            return squared(Image.fromarray(image[top:bottom, left:right]), self.resolution)
        return image.crop(box).resize((self.resolution, self.resolution), BICUBIC)

    @cached_property
    def _factors(self) -> np.ndarray:
        if len(self.mean) == 1:  # bytes without normalisation, which become grey later
            return np.array([[1, 1, 1], [0, 0, 0]], np.float32)
        return np.stack(factors(self.mean, self.std))

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


def _middle(image: Image.Image, size: Tuple[int, int], corner: Tuple[int, int], side: int) -> Image.Image:
    """Return the square at `corner` of an image resized to `size`, equal to Pillow's bicubic, without the rest.

    Pillow has no call for a part of the longer axis with the sampling grid of the whole: its `box` is rounded.
    """
    axis = 0 if image.width > image.height else 1
    taps = _bicubic(image.size[axis], size[axis], corner[axis], side)
    first, last = taps[0][0], taps[-1][0] + len(taps[-1][1])
    if axis == 0:  # rows first, as Pillow does
        pixels = np.asarray(image.crop((first, 0, last, image.height))).swapaxes(0, 1)
        narrow = Image.fromarray(np.ascontiguousarray(_weighted(pixels, taps).swapaxes(0, 1)))
        return narrow.resize((side, size[1]), BICUBIC).crop((0, corner[1], side, corner[1] + side))
    narrow = image.crop((0, first, image.width, last)).resize((size[0], last - first), BICUBIC)
    pixels = np.asarray(narrow.crop((corner[0], 0, corner[0] + side, last - first)))
    return Image.fromarray(_weighted(pixels, taps))


def _bicubic(length: int, resized: int, begin: int, count: int) -> List[Tuple[int, np.ndarray]]:
    """Return the first source pixel and fixed-point weights of `count` pixels from `begin`, of `length` resized."""
    scale = length / resized
    widened = max(scale, 1.0)
    taps = []
    for i in range(begin, begin + count):
        center = (i + 0.5) * scale
        first = max(0, int(center - 2 * widened + 0.5))
        last = min(length, int(center + 2 * widened + 0.5))
        x = np.abs((np.arange(first, last) - center + 0.5) * (1 / widened))
        weights = np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, (((x - 5) * x + 8) * x - 4) * -0.5, 0))
        weights = weights / np.add.accumulate(weights)[-1]  # summed in Pillow's order
        taps.append((first, np.trunc(weights * (1 << _PRECISION) + np.copysign(0.5, weights)).astype(np.int64)))
    return taps


def _weighted(pixels: np.ndarray, taps: Sequence[Tuple[int, np.ndarray]]) -> np.ndarray:
    """Filter pixels (n, width, 3), starting at the first one needed, along the first axis; return uint8."""
    start, half = taps[0][0], 1 << (_PRECISION - 1)
    sums = [np.tensordot(weights, pixels[first - start:first - start + len(weights)].astype(np.int64), 1)
            for first, weights in taps]
    return (np.stack(sums) + half >> _PRECISION).clip(0, 255).astype(np.uint8)


def factors(mean: Sequence[float], std: Sequence[float]) -> Tuple[np.ndarray, np.ndarray]:
    """Return the factor and the offset, float32, that normalise a channel: value * factor - offset."""
    std = np.asarray(std, np.float32)
    return 1 / (255 * std), np.asarray(mean, np.float32) / std


def normalise(image: Image.Image, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """Return (value / 255 - mean) / std of an RGB image, channels first, float32; with one mean, of its luminance."""
    scale, shift = factors(mean, std)
    values = np.asarray(image.convert('L'), np.float32)[..., None] if len(scale) == 1 else np.asarray(image, np.float32)
    pixels = values * scale - shift
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
