"""Damaged PNG and JPEG files: C++ takes those that Python takes, as the same pixels, and so do the compiled crops."""
import warnings

import numpy as np
import pytest

from tinynets.data import images, native
from tinynets.data.presets import eval_transform
from tinynets.data.transforms import TrainTransform
from tests.deploy.damaged import damaged
from tests.deploy.test_edge import MANIFEST, build, run, write_manifest  # noqa: F401

PRESET = {**MANIFEST['preprocessing'], 'resolution': 20, 'crop_ratio': 0.8}


def disagreements(program, seed, count, folder):
    """Of damaged files of a seed what the sides differ in, one line each, and how many Python takes."""
    files = damaged(seed, count)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    done = run(program, write_manifest(folder / 'manifest.json', **PRESET), folder / 'out.f32',
               *(folder / name for name in files))
    assert done.returncode in (0, 1), done.stderr[-500:]
    refused = {line.split(': ')[0].rsplit('/', 1)[1]: line for line in done.stderr.splitlines()}
    tensors = iter(np.fromfile(folder / 'out.f32', np.float32).reshape(-1, 3, 20, 20))
    transform, lines, taken = eval_transform(PRESET), [], 0
    for name in files:
        got = None if name in refused else next(tensors)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                want = transform(images.decode(folder / name))
            taken += 1
        except images.ImageError as error:
            if got is not None:
                lines.append(f'{name}: only Python refuses it: {error}')
            continue
        if got is None:
            lines.append(f'{name}: only C++ refuses it: {refused[name]}')
        elif not np.array_equal(got, want):
            lines.append(f'{name}: other pixels, up to {np.abs(got - want).max():.3f}')
    return lines, taken


@pytest.mark.parametrize('seed', [1, 2])
def test_damaged_files_are_taken_and_refused_alike(seed, build, tmp_path):  # noqa: F811
    lines, taken = disagreements(build / 'tinynet_preprocess', seed, 400, tmp_path)
    assert not lines, lines
    assert 100 < taken < 300  # both kinds were tried


def test_compiled_crops_take_and_refuse_what_pillow_does(monkeypatch):
    if native.library() is None:
        pytest.skip('no C++ compiler, or no headers of libjpeg-turbo')
    transform = TrainTransform(16, (0, 0, 0), (1, 1, 1), flip=0.5)

    def crop(name, data, seed):
        try:
            return transform(images.open_image(name, data), np.random.default_rng(seed))
        except images.ImageError:
            return None
    tried = [0, 0]
    for seed, (name, data) in enumerate(damaged(3, 400).items()):
        if not name.endswith('.jpg'):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            got = crop(name, data, seed)
            with monkeypatch.context() as patch:
                patch.setattr(native, 'library', lambda: None)
                want = crop(name, data, seed)
        tried[want is None] += 1
        assert (got is None) == (want is None), name
        assert want is None or np.array_equal(got, want), name
    assert min(tried) > 20
