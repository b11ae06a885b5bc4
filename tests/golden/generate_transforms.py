"""Write torchvision's evaluation crops: `python tests/golden/generate_transforms.py` where torch and torchvision are.

Not part of the tests, which read the .npz it writes, take the pictures and sizes from here and need no PyTorch. Stored
are the uint8 pixels after Resize(floor(resolution / 0.875), bicubic, antialiased) and CenterCrop(resolution).
"""
import os

import numpy as np
from PIL import Image

CROP_RATIO = 0.875
RESOLUTIONS = (32, 27)
# width, height: either side longer by an odd number, long, square, smaller than the target, thin, the target's own size
SIZES = ((61, 47), (47, 61), (200, 90), (40, 40), (19, 23), (3, 40), (36, 50))


def picture(width: int, height: int) -> np.ndarray:
    """Pixels (height, width, 3) uint8 from the size alone: noise over black and white blocks, where bicubic clips."""
    rng = np.random.default_rng((width, height))
    noise = rng.integers(0, 256, (height, width, 3))
    blocks = rng.integers(0, 2, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)[:height, :width] * 255
    return np.where(rng.random((height, width, 1)) < 0.5, noise, blocks).astype(np.uint8)


def main():
    import torchvision
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize
    out = {}
    for resolution in RESOLUTIONS:
        preset = Compose([Resize(int(resolution / CROP_RATIO), InterpolationMode.BICUBIC, antialias=True),
                          CenterCrop(resolution)])
        for width, height in SIZES:
            out[f'{resolution}/{width}x{height}'] = np.asarray(preset(Image.fromarray(picture(width, height))))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'transforms.npz')
    np.savez_compressed(path, torchvision_version=torchvision.__version__, **out)
    print(f'{path}: {os.path.getsize(path)} bytes, {len(out)} arrays')


if __name__ == '__main__':
    main()
