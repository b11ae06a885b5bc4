"""Networks of grey images, in_channels 1, from the configuration to the exported file."""
import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SMALL
from tests.deploy.test_edge import photograph
from tinynets.config import AugmentConfig, DataConfig, load_config
from tinynets.data import images, presets
from tinynets.data.transforms import EvalTransform, TrainTransform


def luminance(pixels):
    """ITU-R BT.601 in 16 bits after the point, rounded to nearest, as Pillow has it."""
    red, green, blue = (pixels[..., c].astype(np.int64) for c in range(3))
    return (19595 * red + 38470 * green + 7471 * blue + 2 ** 15 >> 16).astype(np.uint8)


@pytest.mark.parametrize('size', [(67, 45), (45, 200), (20, 20), (9, 100)])
def test_evaluation_sees_luminance_before_the_resize(size):
    picture = photograph(*size)
    grey = Image.fromarray(luminance(np.asarray(picture)))
    short = math.floor(24 / 0.875)
    sides = [max(short, int(short * side / min(size))) for side in size]
    left, top = (round((side - 24) / 2) for side in sides)
    whole = grey.resize((sides[0], grey.height), Image.Resampling.BICUBIC).resize(sides, Image.Resampling.BICUBIC)
    wanted = np.asarray(whole.crop((left, top, left + 24, top + 24)), np.float64)
    got = EvalTransform(24, 0.875, (0.4,), (0.2,))(picture)
    assert got.shape == (1, 24, 24) and got.dtype == np.float32
    np.testing.assert_allclose(got[0], (wanted / 255 - 0.4) / 0.2, atol=1e-6)


@pytest.mark.parametrize('native', [True, False])
def test_training_sees_the_luminance_of_the_crop(native, monkeypatch):
    if not native:
        monkeypatch.setattr('tinynets.data.native.library', lambda: None)
    picture = photograph(90, 70)
    file = io.BytesIO()
    picture.save(file, 'JPEG', quality=95)
    jpeg = images.open_image('x.jpg', file.getvalue())
    decoded = images.decode('x.jpg', file.getvalue())
    colour = TrainTransform(24, (0.0,) * 3, (1 / 255,) * 3)
    grey = TrainTransform(24, (0.3,), (0.5,))
    for image in (decoded, np.asarray(decoded), jpeg):
        for seed in range(4):
            values = np.rint(colour(image, np.random.default_rng(seed))).astype(np.uint8).transpose(1, 2, 0)
            got = grey(image, np.random.default_rng(seed))
            assert got.shape == (1, 24, 24)
            np.testing.assert_allclose(got[0], (luminance(values) / 255.0 - 0.3) / 0.5, atol=1e-6)


def test_augmentation_is_of_the_colours_and_its_corners_are_the_mean():
    data = DataConfig(mean=(0.25,), std=(0.5,), flip=0.0)
    transform = presets.train_transform(data, 16, AugmentConfig(num_ops=3, probability=1.0, erase=1.0), 1)
    assert transform.augment.fill == (64, 64, 64) and transform.shape == (1, 16, 16)
    tensors = [transform(photograph(40, 30), np.random.default_rng(seed)) for seed in range(20)]
    assert all(tensor.shape == (1, 16, 16) and np.isfinite(tensor).all() for tensor in tensors)


def test_three_numbers_become_their_luminance_and_one_of_colour_is_refused():
    mean, std = presets.per_channel(DataConfig(), 1)
    assert mean == pytest.approx((0.299 * 0.485 + 0.587 * 0.456 + 0.114 * 0.406,), abs=1e-6)
    assert std == pytest.approx((0.299 * 0.229 + 0.587 * 0.224 + 0.114 * 0.225,), abs=1e-6)
    assert presets.per_channel(DataConfig(mean=(0.5,), std=(0.25,)), 1) == ((0.5,), (0.25,))
    assert presets.preprocessing(DataConfig(), 32, 1)['channels'] == 'L'
    with pytest.raises(ValueError, match='data.std=.0.25.: one number is for grey images; model.in_channels=3 needs 3'):
        presets.per_channel(DataConfig(std=(0.25,)), 3)


@pytest.mark.parametrize('override, reason', [
    ('model.in_channels=2', 'must be 3, or 1 for grey'), ('model.in_channels=4', 'must be 3, or 1 for grey'),
    ('model.in_channels=0', 'must be 3, or 1'), ('model.in_channels=true', 'whole number'),
    ('data.mean=[123.7, 116.3, 103.5]', '-10 to 10: pixel values are from 0 to 1'),
    ('data.std=[58.4, 57.1, 57.4]', '0.001 to 10'), ('data.std=[1.0e-300, 1, 1]', '0.001 to 10'),
    ('data.mean=[1.0e+308, 0, 0]', '-10 to 10'), ('data.mean=[0.5, 0.5]', 'a list of 3 numbers'),
    ('data.mean=[]', 'a list of 3 numbers')])
def test_other_channels_and_numbers_are_refused_at_the_start(override, reason):
    with pytest.raises(ValueError, match=reason):
        load_config(None, [override])
    assert load_config(None, ['data.mean=[0.5]']).data.mean == (0.5,)


@pytest.fixture(scope='module')
def run(tmp_path_factory, light_config):
    from tinynets.runtime import configure
    configure('CPU')
    from tinynets.training.loop import train
    path, said = tmp_path_factory.mktemp('grey') / 'run', []
    train(light_config('model.in_channels=1', 'train.epochs=2'), 'CPU', str(path), say=said.append)
    assert any(line.startswith('images become grey (luminance): mean 0.458971, std 0.225609') for line in said)
    return path


def test_a_grey_network_is_the_same_in_every_file(run):
    from tinynets.deploy.compare import compare
    from tinynets.deploy.export import export
    from tinynets.deploy.predict import load_predictor
    from tinynets.deploy.quantize import quantize
    made = {item.format: item for item in export(str(run / 'best.ckpt'), ['MINDIR', 'ONNX'], str(run / 'export'))}
    manifest = json.loads(open(made['ONNX'].manifest, encoding='utf-8').read())
    assert manifest['preprocessing']['channels'] == 'L' and manifest['input']['shape'] == [None, 1, 16, 16]
    assert len(manifest['preprocessing']['mean']) == len(manifest['preprocessing']['deviation']) == 1
    model = load_predictor(str(run / 'best.ckpt'))
    dataset = presets.dataset(DataConfig(), 'val')
    picture = dataset.image(0)
    own = model.probabilities([picture])
    for item in made.values():
        np.testing.assert_allclose(load_predictor(item.path).probabilities([picture]), own, atol=1e-6)
    coloured = Image.merge('RGB', [picture.getchannel(0), Image.new('L', picture.size), Image.new('L', picture.size)])
    assert np.abs(model.probabilities([coloured]) - own).max() > 0
    rows = compare(str(run / 'best.ckpt'), dataset, 64, 2, program=False)
    assert len(rows) == 3 and all(row.difference < 1e-4 for row in rows)
    variants = quantize(made['ONNX'].path, str(run / 'int8.onnx'),
                        (model.transform(dataset.image(i))[None] for i in range(8)), dataset, force=True)
    assert variants[1].score.count == 360


def test_a_grey_network_goes_to_timms_names_and_back(run, tmp_path):
    from tinynets.deploy.convert import to_checkpoint, to_safetensors
    from tinynets.deploy.predict import load_predictor
    to_safetensors(str(run / 'best.ckpt'), str(tmp_path / 'model.safetensors'))
    described = json.loads((tmp_path / 'config.json').read_text())
    assert described['model_args'] == {'in_chans': 1} and described['pretrained_cfg']['input_size'] == [1, 16, 16]
    assert described['pretrained_cfg']['mean'] == [0.458971]
    to_checkpoint(str(tmp_path / 'model.safetensors'), str(tmp_path / 'back.ckpt'))
    before, after = (load_predictor(str(path)) for path in (run / 'best.ckpt', tmp_path / 'back.ckpt'))
    assert before.preprocessing == after.preprocessing
    picture = photograph(30, 40)
    np.testing.assert_allclose(after.probabilities([picture]), before.probabilities([picture]), atol=1e-6)
    described['pretrained_cfg'].update(input_size=[3, 16, 16], mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    (tmp_path / 'config.json').write_text(json.dumps(described))  # as timm writes those of its own grey networks
    lines = to_checkpoint(str(tmp_path / 'model.safetensors'), str(tmp_path / 'three.ckpt'))
    assert 'images become grey: mean 0.458971 and std 0.225609, computed from three channels' in lines
    assert load_predictor(str(tmp_path / 'three.ckpt')).preprocessing == before.preprocessing


@pytest.mark.parametrize('change, reason', [
    ({'input_size': [2, 16, 16]}, 'input_size is 2 x 16 x 16'),
    ({'input_size': [3, 16, 17]}, 'input_size is 3 x 16 x 17'),
    ({'input_size': [3, 5000, 5000]}, 'input_size is 3 x 5000'),
    ({'input_size': [3, 16.0, 16.0]}, 'input_size is 3 x 16.0'),
    ({'input_size': [3, True, True]}, 'input_size is 3 x True'), ({'mean': [1e308] * 3}, 'data.mean'),
    ({'std': [0.0]}, 'data.std'), ({'std': [0.2, 0.2]}, 'data.std'), ({'mean': None}, 'data.mean'),
    ({'crop_pct': 0}, 'crop_ratio'), ({'crop_pct': 1.5}, 'crop_ratio'), ({'interpolation': None}, 'interpolation'),
    ({'interpolation': 7}, 'interpolation'), ({'interpolation': ['bicubic']}, 'interpolation')])
def test_a_config_json_of_nonsense_is_refused(change, reason, run, tmp_path):
    from tinynets.deploy.convert import to_checkpoint, to_safetensors
    to_safetensors(str(run / 'best.ckpt'), str(tmp_path / 'model.safetensors'))
    described = json.loads((tmp_path / 'config.json').read_text())
    described['pretrained_cfg'].update(change)
    (tmp_path / 'config.json').write_text(json.dumps(described))
    with pytest.raises(ValueError, match=reason) as raised:
        to_checkpoint(str(tmp_path / 'model.safetensors'), str(tmp_path / 'x.ckpt'))
    assert 'config.json' in str(raised.value) and '\n' not in str(raised.value)
    assert not (tmp_path / 'x.ckpt').exists()


@pytest.mark.parametrize('change, reason', [
    ({'mean': [0.5] * 3}, 'preprocessing.mean has 3 numbers, channels L needs 1'),
    ({'channels': 'RGB', 'mean': [0.5] * 3, 'deviation': [0.5] * 3},
     'preprocessing.channels is RGB, the network takes 1'),
    ({'mean': None}, 'preprocessing.mean is None'), ({'deviation': [1e308]}, 'preprocessing.deviation is'),
    ({'crop_ratio': 0}, 'crop_ratio is 0'), ({'resolution': 16.0}, 'resolution is 16.0'),
    ({'layout': 'NHWC'}, 'layout')])
def test_a_checkpoint_of_nonsense_is_refused_by_every_reader(change, reason, run, tmp_path):
    from tinynets.deploy.convert import to_safetensors
    from tinynets.deploy.export import export
    from tinynets.deploy.predict import load_predictor
    from tinynets.model import checkpoint
    from tinynets.training.distill import load_teacher
    saved = checkpoint.load(str(run / 'best.ckpt'))
    path = str(tmp_path / 'x.ckpt')
    checkpoint.save(path, saved.arrays, {**saved.meta, 'preprocessing': {**saved.meta['preprocessing'], **change}})
    names = saved.meta['class_names']
    for use in (lambda: load_predictor(path), lambda: export(path, ['ONNX'], str(tmp_path)),
                lambda: to_safetensors(path, str(tmp_path / 'model.safetensors')),
                lambda: load_teacher(path, names, saved.meta['preprocessing'])):
        with pytest.raises(ValueError, match=f'x.ckpt: its description is damaged, .*{reason}'):
            use()


def test_logits_that_are_no_numbers_are_named_and_nothing_is_printed(run, tmp_path, entry):
    from tinynets.deploy.export import export
    from tinynets.deploy.predict import load_predictor
    from tinynets.model import checkpoint
    saved = checkpoint.load(str(run / 'best.ckpt'))
    arrays = {name: array * np.float32(1e30) if name.endswith('.weight') else array
              for name, array in saved.arrays.items()}
    path = str(tmp_path / 'huge.ckpt')
    checkpoint.save(path, arrays, saved.meta)
    model = load_predictor(path)
    with pytest.raises(ValueError, match='huge.ckpt: gives logits that are NaN or infinite'):
        model.probabilities([photograph(20, 20)])
    with pytest.raises(ValueError, match='huge.ckpt: gives logits that are NaN or infinite.* Export another'):
        export(path, ['ONNX'], str(tmp_path / 'export'))
    assert not (tmp_path / 'export').exists()
    photograph(20, 20).save(tmp_path / 'a.png')
    for command in (('predict.py', '--model', path, '--images', tmp_path / 'a.png'), ('eval.py', '--checkpoint', path)):
        done = entry(*command)
        assert done.returncode == 2 and 'nan' not in done.stdout
        assert done.stderr.count('\n') == 1 and 'logits that are NaN or infinite' in done.stderr


def test_the_smallest_recipe_of_a_grey_network(small_config):
    from tinynets.arch import expand, resolve
    config = small_config('model.in_channels=1')
    plan = expand(resolve(SMALL, in_channels=config.model.in_channels))
    assert plan.stem.in_channels == 1
