"""The C++ resizing compared with Pillow, byte for byte: with this machine's vectors, without, and with an ARM's."""
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT

BUILDS = {'native': ['c++'], 'portable': ['c++', '-DPORTABLE'], 'arm': ['aarch64-linux-gnu-g++', '-static']}
TURNS = {2: 'FLIP_LEFT_RIGHT', 3: 'ROTATE_180', 4: 'FLIP_TOP_BOTTOM', 5: 'TRANSPOSE', 6: 'ROTATE_270', 7: 'TRANSVERSE',
         8: 'ROTATE_90'}


@pytest.fixture(scope='module', params=BUILDS)
def resize(request, tmp_path_factory):
    """Run the cases through the program of one build: bytes out."""
    compiler, *options = BUILDS[request.param]
    emulator = ['qemu-aarch64'] if request.param == 'arm' else []
    if not all(shutil.which(tool) for tool in [compiler, *emulator]):
        pytest.skip(f'no {" or ".join([compiler, *emulator])}')
    program = tmp_path_factory.mktemp('resize') / 'resize'
    edge = ROOT / 'ascend310_infer'
    sources = [ROOT / 'tests/deploy/resize_main.cc', *(edge / 'src' / f'{name}.cc' for name in ('filter', 'orientation',
                                                                                             'resize'))]
    subprocess.run([compiler, *options, '-std=c++17', '-O3', '-ffp-contract=off', '-Wall', '-Wextra', '-Werror',
                    '-I', edge / 'inc', *sources, '-o', program], check=True)
    return lambda cases: subprocess.run([*emulator, program], input=cases, stdout=subprocess.PIPE, check=True).stdout


def noise(rng, width, height):
    """Bytes of which many are extreme, so that sums reach their bounds."""
    return (rng.integers(-200, 456, (height, width, 3)).clip(0, 255)).astype(np.uint8)


def check(resize, cases):
    """Cases are (pixels as stored, orientation, resized width, resized height, left, top, side)."""
    sent, wanted = b'', []
    for pixels, orientation, width, height, left, top, side in cases:
        numbers = np.array([pixels.shape[1], pixels.shape[0], orientation, width, height, left, top, side], np.int32)
        sent += numbers.tobytes() + pixels.tobytes()
        image = Image.fromarray(pixels)
        if orientation in TURNS:
            image = image.transpose(Image.Transpose[TURNS[orientation]])
        for size in ((width, image.height), (width, height)):  # Pillow 13 would sometimes begin with the height
            image = image.resize(size, Image.Resampling.BICUBIC)
        wanted.append(np.asarray(image.crop((left, top, left + side, top + side))))
    got = np.frombuffer(resize(sent), np.uint8)
    assert got.size == sum(square.size for square in wanted)
    for case, square in zip(cases, wanted):
        np.testing.assert_array_equal(got[:square.size].reshape(square.shape), square,
                                      err_msg=f'{case[0].shape} {case[1:]}')
        got = got[square.size:]


def test_every_width_and_height(resize):
    """Widths and heights, taps and squares of every remainder by the length of a vector; the last row and pixel."""
    rng = np.random.default_rng(0)
    cases = []
    for size in range(1, 40):
        for other in (1, 7, 33):
            for width, height in ((size, other), (other, size)):
                to = int(rng.integers(1, 50))
                cases.append((noise(rng, width, height), 1, to, to, 0, 0, to))
    check(resize, cases)


def test_every_orientation_and_cut(resize):
    rng = np.random.default_rng(1)
    cases = []
    for i in range(240):
        width, height = rng.integers(1, 120, 2)
        to = rng.integers(1, 80, 2)
        if i % 4 == 0:  # one side stays as it is, or both
            to = np.where(rng.integers(0, 2, 2), to, (width, height) if i % 9 < 5 else (height, width))
        side = int(rng.integers(1, min(to) + 1))
        left, top = rng.integers(0, to - side + 1)
        cases.append((noise(rng, width, height), i % 10, *to, left, top, side))
    check(resize, cases)


def test_many_taps(resize):
    rng = np.random.default_rng(2)
    check(resize, [(noise(rng, 6000, 5), 1, 3, 3, 0, 0, 3), (noise(rng, 5, 6000), 6, 2, 3, 0, 0, 2),
                   (noise(rng, 700, 900), 8, 40, 31, 5, 0, 31), (noise(rng, 2, 3), 1, 500, 600, 90, 90, 300),
                   (np.full((300, 400, 3), 255, np.uint8), 1, 30, 30, 0, 0, 30)])
