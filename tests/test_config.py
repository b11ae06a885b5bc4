"""Configuration: YAML and --set in, checked values out, and errors that name file and key."""
import dataclasses
import re

import pytest
import yaml

from tests.conftest import ROOT
from tinynets.arch.zoo import VARIANTS, resolve
from tinynets.config import (
    AugmentConfig,
    Config,
    DataConfig,
    ModelConfig,
    OptimConfig,
    RuntimeConfig,
    TrainConfig,
    from_dict,
    load_config,
    to_dict,
    to_yaml,
)
from tinynets.data.classification import DATASETS

RECIPES = sorted(p for place in ('*.yaml', 'imagenet/*.yaml') for p in (ROOT / 'configs').glob(place))


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / 'recipe.yaml'
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)
    return write


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.name)
def test_every_recipe_loads_and_names_what_exists(path):
    config = load_config(str(path))
    assert resolve(config.model.name, resolution=config.model.resolution) and config.data.name in DATASETS


def test_there_are_recipes():
    assert RECIPES


@pytest.mark.parametrize('name', ['efficientnet_b0', *(name for name in VARIANTS if name.startswith('tinynet'))])
def test_every_released_network_has_its_recipe(name):
    """The defaults are the published recipe; a file adds the network, its data and drop path."""
    config = load_config(str(ROOT / 'configs' / 'imagenet' / f'{name}.yaml'))
    default = Config()
    assert (config.train, config.augment, config.runtime) == (default.train, default.augment, default.runtime)
    assert config.optim == dataclasses.replace(default.optim, epsilon=1e-3)
    assert config.data == dataclasses.replace(default.data, name='image_folder', workers=16)
    assert config.model == ModelConfig(name, None, 0.2, 0.1 if name == 'tinynet_b' else 0.0)


def test_a_file_replaces_keys_of_its_base(tmp_path):
    (tmp_path / 'below').mkdir()
    (tmp_path / 'below' / 'first.yaml').write_text('train: {epochs: 5, seed: 1}\ndata: {batch_size: 3}')
    (tmp_path / 'second.yaml').write_text('base: below/first.yaml\ntrain: {epochs: 6}\noptim:')
    (tmp_path / 'third.yaml').write_text('base: second.yaml\nmodel: {dropout: 0.5}\ntrain: {label_smoothing: 0.0}')
    config = load_config(str(tmp_path / 'third.yaml'), ['train.seed=2'])
    assert config == Config(ModelConfig(dropout=0.5), DataConfig(batch_size=3),
                            train=TrainConfig(epochs=6, seed=2, label_smoothing=0.0))


@pytest.mark.parametrize('base, text, message', [
    ('none.yaml', '', r'configuration {}/none.yaml \(the base of {}/top.yaml\): no such file'),
    ('low.yaml', 'train: {epoch: 3}', "{}/low.yaml: unknown key 'train.epoch'"),
    ('low.yaml', 'a: [', '{}/low.yaml: not valid'),
    ('low.yaml', '- 1', '{}/low.yaml: the file must hold'), ('[3]', '', r'{}/top.yaml: base=\[3\] must be the path'),
    ('low.yaml', 'base: top.yaml', '{}/low.yaml: base=top.yaml leads back to this file')])
def test_a_mistake_in_a_base_names_that_file(base, text, message, tmp_path):
    (tmp_path / 'top.yaml').write_text(f'base: {base}')
    (tmp_path / 'low.yaml').write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match='^' + message.replace('{}', re.escape(str(tmp_path)))):
        load_config(str(tmp_path / 'top.yaml'))


def test_defaults_are_the_published_recipe():
    config = load_config()
    assert config == Config()
    optim = config.optim
    assert (optim.name, optim.learning_rate, optim.decay_rate, optim.decay_epochs, optim.weight_decay, optim.momentum,
            optim.rms_decay, config.train.epochs, config.data.batch_size, config.model.dropout) == (
        'rmsprop', 0.048, 0.97, 2.4, 1e-5, 0.9, 0.9, 450, 128, 0.2)


@pytest.mark.parametrize('text', ['', '# nothing', '{}', 'train:', 'train: {}\ndata:\n'])
def test_what_is_not_written_keeps_its_default(text, file):
    assert load_config(file(text)) == Config()


def test_values_arrive_in_their_types(file):
    config = load_config(file('''
model: {name: "tinynet_a@r=0.5,d=1", resolution: null}
data: {batch_size: 7, crop_ratio: 1, mean: [0, 0.5, 1], strict: yes, dir: /a b}
optim: {learning_rate: 1e-5, weight_decay: "2e-3", epsilon: 1.0e-8, warmup_epochs: 2}
train: {epochs: 3, sink: off}
'''))
    assert (config.model.name, config.model.resolution) == ('tinynet_a@r=0.5,d=1', None)
    assert config.data == DataConfig(batch_size=7, crop_ratio=1.0, mean=(0.0, 0.5, 1.0), strict=True, dir='/a b')
    assert isinstance(config.data.crop_ratio, float) and all(isinstance(v, float) for v in config.data.mean)
    assert (config.optim.learning_rate, config.optim.weight_decay, config.optim.epsilon) == (1e-5, 2e-3, 1e-8)
    assert config.optim.warmup_epochs == 2.0 and isinstance(config.optim.warmup_epochs, float)
    assert (config.train.epochs, config.train.sink) == (3, False)


@pytest.mark.parametrize('text, message', [
    ('trian: {epochs: 3}', "unknown key 'trian'; did you mean train? Known here: model, data, augment, optim, train"),
    ('train: {epoch: 3}', "unknown key 'train.epoch'; did you mean train.epochs? Known here: epochs, seed"),
    ('optim: {learning-rate: 3}', "unknown key 'optim.learning-rate'; did you mean optim.learning_rate?"),
    ('epochs: 3', "unknown key 'epochs'"), ('1: 2', "unknown key '1'"), ('data: {1: 2}', "unknown key 'data.1'"),
    ('- 1', 'the file must hold key: value pairs, not [1]'),
    ('words', "the file must hold key: value pairs, not 'words'"),
    ('train: 3', 'train must hold key: value pairs, not 3'), ('train: [epochs]', 'train must hold key: value pairs'),
    ('train: {epochs: 3.0}', 'train.epochs=3.0 must be a whole number'),
    ('train: {epochs: true}', 'train.epochs=True must be a whole number'),
    ('train: {epochs: "3"}', "train.epochs='3' must be a whole number"),
    ('train: {epochs: }', 'train.epochs=None must be a whole number'),
    ('train: {epochs: [3]}', 'train.epochs=[3] must be a whole number'),
    ('model: {resolution: 64.0}', 'model.resolution=64.0 must be a whole number'),
    ('model: {resolution: true}', 'model.resolution=True must be a whole number'),
    ('data: {strict: 1}', 'data.strict=1 must be true or false'),
    ('data: {strict: "true"}', "data.strict='true' must be true or false"),
    ('model: {name: 3}', 'model.name=3 must be text'), ('data: {dir: 2024}', 'data.dir=2024 must be text'),
    ('optim: {learning_rate: fast}', "optim.learning_rate='fast' must be a number"),
    ('optim: {learning_rate: true}', 'optim.learning_rate=True must be a number'),
    ('optim: {learning_rate: .nan}', 'optim.learning_rate=nan must be a finite number'),
    ('optim: {learning_rate: inf}', 'optim.learning_rate=inf must be a finite number'),
    ('data: {mean: [1, 2]}', 'data.mean=[1, 2] must be a list of 3 numbers'),
    ('data: {mean: 0.5}', 'data.mean=0.5 must be a list of 3 numbers'),
    ('data: {mean: "0.1"}', "data.mean='0.1' must be a list of 3 numbers"),
    ('data: {mean: [1, 2, true]}', 'data.mean=True must be a number'),
    ('data: {crop_area: [0.1, 0.2, 0.3]}', 'data.crop_area=[0.1, 0.2, 0.3] must be a list of 2 numbers')])
def test_a_mistake_names_file_and_key(text, message, file):
    path = file(text)
    with pytest.raises(ValueError) as error:
        load_config(path)
    assert str(error.value).startswith(f'{path}: {message}')


@pytest.mark.parametrize('text', ['a: [', '\ttrain: 3', 'train: {epochs: 3', '--- 1\n--- 2',
                                  '!!python/name:os.system x', b'\xff\xfe\x00', '\x00'])
def test_broken_yaml_is_one_line_with_the_file(text, file):
    path = file(text)
    with pytest.raises(ValueError, match='not valid YAML') as error:
        load_config(path)
    assert str(error.value).startswith(path) and '\n' not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / 'none.yaml', tmp_path):
        with pytest.raises(FileNotFoundError, match=f'{re.escape(str(path))}: no such file'):
            load_config(str(path))


@pytest.mark.parametrize('key, bad, good', [
    ('data.batch_size', [0, -1], [1]), ('data.workers', [0, 257], [1, 256]),
    ('data.crop_ratio', [0.09, 1.01], [0.1, 1]),
    ('data.std', [[1, 0, 1], [1, -1, 1]], [[1, 1, 1e-3]]),
    ('data.crop_area', [[0, 1], [0.9, 0.1], [0.5, 1.1]], [[0.5, 0.5], [1e-3, 1]]),
    ('data.crop_aspect', [[0, 1], [2, 1]], [[1, 1], [0.1, 10]]), ('data.flip', [-0.1, 1.1], [0, 1]),
    ('model.resolution', [0, -1], [1]), ('model.dropout', [-0.1, 1], [0, 0.99]), ('model.drop_path', [-0.1, 1], [0]),
    ('optim.momentum', [-0.1, 1], [0, 0.99]), ('optim.rms_decay', [-1, 5], [0]),
    ('optim.learning_rate', [0, -1], [1e-9]),
    ('optim.warmup_epochs', [-1], [0]), ('optim.decay_epochs', [0], [0.1]), ('optim.epsilon', [0], [1e-12]),
    ('optim.weight_decay', [-1e-9], [0]), ('optim.clip_norm', [-1], [0, 5]), ('train.epochs', [0], [1]),
    ('train.seed', [-1], [0]), ('train.eval_every', [0], [1]), ('train.label_smoothing', [-0.1, 1], [0, 0.9]),
    ('augment.num_ops', [-1, 16], [0, 2]), ('augment.magnitude', [-1, 10.1], [0, 10]),
    ('augment.magnitude_std', [-0.1], [0]), ('augment.probability', [-0.1, 1.1], [0, 1]),
    ('augment.erase', [-0.1, 1.1], [0, 1]), ('augment.erase_area', [[0, 1], [0.5, 0.1], [0.5, 1.1]], [[0.1, 0.2]]),
    ('augment.erase_aspect', [[0, 1], [2, 1]], [[0.5, 2]]), ('augment.erase_with', ['black'], ['noise', 'mean']),
    ('augment.mixup', [-1, 0.001], [0, 0.2]), ('augment.cutmix', [-1, 0.001], [0, 1]),
    ('augment.mix_switch', [-0.1, 1.1], [0, 1]), ('augment.mix_probability', [-0.1, 1.1], [0, 1]),
    ('optim.scale_batch', [0], [None, 1]), ('train.accumulate', [0, 65], [1, 64]),
    ('train.distill_weight', [-0.1, 1.1], [0, 1]), ('train.distill_temperature', [0], [0.5]),
    ('train.loss_scale', [0.5, 0, 1e39, float('inf')], [None, 1, 65536, 1e38]),
    ('train.loss_scale_window', [0, 2**31], [1, 2**31 - 1]), ('runtime.amp', ['O1', 'o2'], ['O0', 'O2', 'O3', 'auto']),
    ('runtime.amp_type', ['float32'], ['float16', 'bfloat16']),
    ('runtime.jit_level', ['O3', 'o1', ''], ['auto', 'O0', 'O1', 'O2']),
    ('train.ema_decay', [1, -0.1], [0, 0.9999]), ('train.save_minutes', [0], [0.01]),
    ('runtime.device', ['cpu', 'TPU'], ['auto', 'CPU', 'Ascend', 'GPU']),
    ('runtime.mode', ['jit'], ['graph', 'pynative']), ('runtime.threads', [-1], [0])])
def test_ranges(key, bad, good, file):
    section, name = key.split('.')
    for value in good:
        got = getattr(getattr(load_config(file(yaml.safe_dump({section: {name: value}}))), section), name)
        assert got == (tuple(value) if isinstance(value, list) else value)
    for value in bad:
        path = file(yaml.safe_dump({section: {name: value}}))
        with pytest.raises(ValueError, match=re.escape(f'{path}: {key}=') + '.* must be '):
            load_config(path)


def test_overrides_outrank_the_file_and_the_last_wins(file):
    config = load_config(file('train: {epochs: 5, seed: 4}\noptim: {learning_rate: 0.5}'), [
        'train.epochs=6', 'optim.learning_rate=1e-5', ' train.epochs = 7 ', 'data.mean=[0, 0.5, 1]', 'data.dir=null',
        'data.strict=true', 'model.name=tinynet_e@w=0.1,d=0.1', 'model.resolution='])
    assert (config.train.epochs, config.train.seed, config.optim.learning_rate) == (7, 4, 1e-5)
    assert (config.data.mean, config.data.dir, config.data.strict) == ((0.0, 0.5, 1.0), None, True)
    assert (config.model.name, config.model.resolution) == ('tinynet_e@w=0.1,d=0.1', None)


def test_an_override_repairs_a_value_out_of_range(file):
    assert load_config(file('train: {epochs: 0}'), ['train.epochs=1']).train.epochs == 1


@pytest.mark.parametrize('item, message', [
    ('train.epochs', '--set train.epochs: must be section.key=value'), ('', '--set : must be section.key=value'),
    ('train.epochs=[', '--set train.epochs=[: the value is not valid YAML'),
    ('train={epochs: 3}', '--set train: names a section; give section.key=value'),
    ('train=3', '--set: train must hold key: value pairs'), ('=3', "--set: unknown key ''"),
    ('epochs=3', "--set: unknown key 'epochs'"), ('trian.epochs=3', "--set: unknown key 'trian'; did you mean train?"),
    ('train.epoch=3', "--set: unknown key 'train.epoch'; did you mean train.epochs?"),
    ('train.epochs.x=3', "--set: unknown key 'train.epochs.x'"),
    ('train.epochs=many', "--set: train.epochs='many' must be a whole number"),
    ('train.epochs=true', '--set: train.epochs=True must be a whole number'),
    ('train.epochs=', '--set: train.epochs=None must be a whole number'),
    ('data.mean=0,0,0', "--set: data.mean='0,0,0' must be a list of 3 numbers")])
def test_a_wrong_override_is_named(item, message):
    with pytest.raises(ValueError) as error:
        load_config(None, [item])
    assert str(error.value).startswith(message)


def test_an_override_out_of_range_names_the_key():
    with pytest.raises(ValueError, match='train.epochs=0 must be at least 1'):
        load_config(None, ['train.epochs=0'])


OTHER = Config(
    ModelConfig('efficientnet_b0@r=0.5', 96, 0.1, 0.05, pretrained='/some/published.safetensors', task='other',
                in_channels=1),
    DataConfig('image_folder', '/some: where #1', 3, 4, True, False, 1.0, (0.1, 0.2, 1 / 3), (1e-3, 1.0, 2.0),
               (0.5, 0.75), (1.0, 1.0), 0.0, 100, 50, val_share=0.3,
               fast_decode=False, cache='memory', cache_mb=7),
    AugmentConfig(2, 5.0, 1.0, 1.0, 0.1, (0.1, 0.2), (0.5, 2.0), 'mean', 0.2, 1.0, 0.3, 0.7),
    OptimConfig('sgd', 1e-5, 'cosine', 0.5, 0.0, 0.5, 1e16, 1e-9, 0.0, 0.1, 0.2, 1e-8, True, 5.0, 256),
    TrainConfig(1, 4294967295, 0.0, 0.0, 7, 0.5, patience=3, chance_epochs=4, sink=False, accumulate=4,
                teacher='/some/best.ckpt', distill_weight=0.1, distill_temperature=4.0, loss_scale=1024.0,
                loss_scale_window=5),
    RuntimeConfig('Ascend', 3, 'pynative', 2, 'stock', 'O2', 'bfloat16', 'O1'))


@pytest.mark.parametrize('config', [Config(), OTHER], ids=['defaults', 'every key changed'])
def test_round_trip_through_yaml_and_dictionaries(config, file):
    for section in dataclasses.fields(Config) if config is OTHER else ():
        ours, default = (dataclasses.asdict(getattr(c, section.name)) for c in (config, Config()))
        assert all(ours[key] != default[key] for key in ours), section.name
    assert load_config(file(to_yaml(config))) == config
    assert from_dict(to_dict(config), 'x') == config
    assert to_dict(config)['data']['mean'] == list(config.data.mean)


@pytest.mark.parametrize('tree, message', [
    ({'train': {'epochs': 0}}, 'run.json: train.epochs=0 must be at least 1'),
    ({'train': {'speed': 0}}, "run.json: unknown key 'train.speed'"), ([], 'run.json: the file must hold')])
def test_a_dictionary_is_checked_under_its_name(tree, message):
    with pytest.raises(ValueError) as error:
        from_dict(tree, 'run.json')
    assert str(error.value).startswith(message)


def test_a_repeated_key_is_an_error(file):
    with pytest.raises(ValueError, match="the key 'train' is given twice"):
        load_config(file('train: {epochs: 1}\ntrain: {seed: 1}'))


def test_a_range_error_names_where_the_value_came_from(file):
    with pytest.raises(ValueError, match='^--set: train.epochs=0 must be at least 1'):
        load_config(file('train: {seed: 1}'), ['train.epochs=0'])
