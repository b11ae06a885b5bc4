"""Write torchvision's evaluation crops: `python tests/golden/generate_transforms.py` where timm, torchvision and
Pillow below 13 are: 13 resizes some tall images columns first, which rounds a few pixels otherwise.

Not part of the tests, which read the .npz it writes, take the pictures and sizes from here and need no PyTorch. Stored
are the uint8 pixels after Resize(floor(resolution / 0.875), bicubic, antialiased) and CenterCrop(resolution); timm's
evaluation transform is asserted to give the same.
"""
import os

import numpy as np
from PIL import Image
from PIL import __version__ as pillow_version

CROP_RATIO = 0.875
RESOLUTIONS = (32, 27)
# width, height: either side longer by an odd number, long, square, smaller than the target, thin, the target's own size
SIZES = ((61, 47), (47, 61), (200, 90), (40, 40), (19, 23), (3, 40), (36, 50),
         (1, 9), (9, 1), (20, 161), (57, 7), (7, 57), (3, 5000), (700, 60), (40, 1999), (1, 100_000))


def picture(width: int, height: int) -> np.ndarray:
    """Pixels (height, width, 3) uint8 from the size alone: noise over black and white blocks, where bicubic clips."""
    rng = np.random.default_rng((width, height))
    noise = rng.integers(0, 256, (height, width, 3))
    blocks = rng.integers(0, 2, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)[:height, :width] * 255
    return np.where(rng.random((height, width, 1)) < 0.5, noise, blocks).astype(np.uint8)


def main():
    import torchvision
    from timm.data import create_transform
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize
    out = {}
    for resolution in RESOLUTIONS:
        preset = Compose([Resize(int(resolution / CROP_RATIO), InterpolationMode.BICUBIC, antialias=True),
                          CenterCrop(resolution)])
        timms = create_transform(resolution, interpolation='bicubic', crop_pct=CROP_RATIO, mean=(0, 0, 0),
                                 std=(1 / 255,) * 3)
        for width, height in SIZES:
            image = Image.fromarray(picture(width, height))
            pixels = out[f'{resolution}/{width}x{height}'] = np.asarray(preset(image))
            assert np.array_equal(timms(image).numpy().round().transpose(1, 2, 0), pixels), (width, height)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'transforms.npz')
    np.savez_compressed(path, torchvision_version=torchvision.__version__, pillow_version=pillow_version, **out)
    print(f'{path}: {os.path.getsize(path)} bytes, {len(out)} arrays')


if __name__ == '__main__':
    main()
