"""Random changes of training images: RandAugment on Pillow images, random erasing on normalised tensors."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Dict, Tuple

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from tinynets.data.transforms import BICUBIC

MOST = 10.0  # the largest magnitude

Fill = Tuple[int, int, int]


def _affine(image: Image.Image, matrix: Tuple[float, ...], fill: Fill) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, BICUBIC, fillcolor=fill)


def _enhance(kind: Callable) -> Callable:
    return lambda image, s, fill: kind(image).enhance(max(0.1, 1 + 0.9 * s))


def _solarize_add(image: Image.Image, s: float, fill: Fill) -> Image.Image:
    """Make the darker half of the values brighter by up to 110."""
    return image.point([min(255, v + int(110 * abs(s))) if v < 128 else v for v in range(256)] * 3)


# name -> function(image, s, fill); s in [-1, 1] is the strength, its sign the direction if there are two. Corners left
# empty are filled. A larger strength changes the image more (timm's `inc1`); `autocontrast`, `equalize` and `invert`
# have no strength. Posterize keeps at least one bit: timm's zero bits are an error in new releases of Pillow.
OPERATIONS: Dict[str, Callable[[Image.Image, float, Fill], Image.Image]] = {
    'autocontrast': lambda image, s, fill: ImageOps.autocontrast(image),
    'equalize': lambda image, s, fill: ImageOps.equalize(image),
    'invert': lambda image, s, fill: ImageOps.invert(image),
    'rotate': lambda image, s, fill: image.rotate(30 * s, BICUBIC, fillcolor=fill),
    'posterize': lambda image, s, fill: ImageOps.posterize(image, max(1, 4 - int(4 * abs(s)))),
    'solarize': lambda image, s, fill: ImageOps.solarize(image, 256 - int(256 * abs(s))),
    'solarize_add': _solarize_add,
    'color': _enhance(ImageEnhance.Color),
    'contrast': _enhance(ImageEnhance.Contrast),
    'brightness': _enhance(ImageEnhance.Brightness),
    'sharpness': _enhance(ImageEnhance.Sharpness),
    'shear_x': lambda image, s, fill: _affine(image, (1, 0.3 * s, 0, 0, 1, 0), fill),
    'shear_y': lambda image, s, fill: _affine(image, (1, 0, 0, 0.3 * s, 1, 0), fill),
    'translate_x': lambda image, s, fill: _affine(image, (1, 0, 0.45 * s * image.width, 0, 1, 0), fill),
    'translate_y': lambda image, s, fill: _affine(image, (1, 0, 0, 0, 1, 0.45 * s * image.height), fill),
}


@dataclass(frozen=True)
class RandAugment:
    """RGB image -> RGB image of the same size: `num_ops` operations of OPERATIONS, drawn with replacement.

    RandAugment (Cubuk et al., CVPR Workshops 2020) with timm's additions (`rand-m9-mstd0.5-inc1`): an operation runs
    with `probability`, at a magnitude drawn from N(`magnitude`, `std`^2), clipped to [0, 10]. Always bicubic, while
    timm draws the interpolation. `fill` is the colour of empty corners.
    """
    num_ops: int
    magnitude: float = 9.0
    std: float = 0.5
    probability: float = 0.5
    fill: Fill = (128, 128, 128)

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        names = list(OPERATIONS)
        for index in rng.integers(len(names), size=self.num_ops):
            if rng.random() >= self.probability:
                continue
            strength = min(MOST, max(0.0, rng.normal(self.magnitude, self.std))) / MOST
            sign = 1 if rng.random() < 0.5 else -1
            image = OPERATIONS[names[index]](image, sign * strength, self.fill)
        return image


@dataclass(frozen=True)
class RandomErasing:
    """Fill a rectangle of normalised pixels (3, H, W) float32, in place, with `probability`; return the pixels.

    Random erasing (Zhong et al., AAAI 2020). The rectangle's area is uniform in `area` (share of the image), its aspect
    (height over width) log-uniform in `aspect`; after ten draws that do not fit, the image is not changed. The values
    are drawn from N(0, 1), or zero (the data set's mean) if `noise` is off.
    """
    probability: float
    area: Tuple[float, float] = (0.02, 1 / 3)
    aspect: Tuple[float, float] = (0.3, 3.3)
    noise: bool = True

    def __call__(self, pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        channels, full_height, full_width = pixels.shape
        if rng.random() >= self.probability:
            return pixels
        for _ in range(10):
            area = full_height * full_width * rng.uniform(*self.area)
            aspect = math.exp(rng.uniform(math.log(self.aspect[0]), math.log(self.aspect[1])))
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < height < full_height and 0 < width < full_width:
                top, left = rng.integers(full_height - height + 1), rng.integers(full_width - width + 1)
                shape = channels, height, width
                pixels[:, top:top + height, left:left + width] = (
                    rng.standard_normal(shape, np.float32) if self.noise else 0)
                break
        return pixels
