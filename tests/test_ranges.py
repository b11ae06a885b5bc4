"""Every key's default and range: values just inside are accepted, values just outside are refused."""
import re

import pytest

from tinynets.config import Config, changeable, load_config, to_dict
from tinynets.settings import rules, settings
from tinynets.study.config import StudyConfig

TRIPLE, PAIR = '[{0}, 0.5, 0.5]', '[{0}, {1}]'
# key -> (taken, refused)
RANGES = {
    'data.batch_size': ([1, 2 ** 20], [0, -1, 2 ** 20 + 1]), 'data.workers': ([1, 256], [0, 257]),
    'data.crop_ratio': ([0.1, 1], [0.09, 1.01]), 'data.mean': (['[-10, 0, 10]'], ['[-10.1, 0, 0]', '[0, 0, 10.1]']),
    'data.std': (['[0.001, 1, 10]'], ['[0.0009, 1, 1]', '[1, 1, 10.1]', '[1, 1, -1]']),
    'data.crop_area': (['[0.01, 1]', '[0.5, 0.5]'], ['[0, 1]', '[0.5, 0.4]', '[0.5, 1.1]']),
    'data.crop_aspect': (['[0.1, 9]', '[1, 1]'], ['[0, 1]', '[2, 1]']), 'data.flip': ([0, 1], [-0.1, 1.1]),
    'data.images': (['null', 1, 10 ** 9], [0, 10 ** 9 + 1]), 'data.cache': (['auto', 'memory', '"off"'], ['disk']),
    'data.cache_mb': ([1, 10 ** 9], [0, 10 ** 9 + 1]), 'data.holdout': ([0, 10 ** 9], [-1, 10 ** 9 + 1]),
    'data.val_share': ([0.01, 0.99], [0, 1]),
    'augment.num_ops': ([0, 15], [-1, 16]), 'augment.magnitude': ([0, 10], [-0.1, 10.1]),
    'augment.magnitude_std': ([0, 3], [-0.1]), 'augment.probability': ([0, 1], [-0.1, 1.1]),
    'augment.erase': ([0, 1], [-0.1, 1.1]), 'augment.erase_area': (['[0.1, 1]'],
                                                                   ['[0, 1]', '[0.1, 1.1]', '[0.5, 0.4]']),
    'augment.erase_aspect': (['[0.1, 7]'], ['[0, 1]', '[2, 1]']), 'augment.erase_with': (['noise', 'mean'], ['zeros']),
    'augment.mixup': ([0, 0.01, 4], [0.009, -1]), 'augment.cutmix': ([0, 0.01, 4], [0.009, -1]),
    'augment.mix_switch': ([0, 1], [-0.1, 1.1]), 'augment.mix_probability': ([0, 1], [-0.1, 1.1]),
    'model.resolution': (['null', 1, 4096], [0, 4097]), 'model.in_channels': ([1, 3], [0, 2, 4]),
    'model.dropout': ([0, 0.99], [1, -0.1]),
    'model.drop_path': ([0, 0.99], [1, -0.1]), 'optim.learning_rate': ([1e-9, 5], [0, -1]),
    'optim.warmup_start': ([0], [-1e-9]), 'optim.final_learning_rate': ([0], [-1e-9]),
    'optim.decay_rate': ([0.01, 1], [0, 1.01]), 'optim.momentum': ([0, 0.99], [1, -0.1]),
    'optim.rms_decay': ([0, 0.99], [1, -0.1]), 'optim.warmup_epochs': ([0], [-0.1]), 'optim.decay_epochs': ([0.1], [0]),
    'optim.epsilon': (['null', 1e-9], [0]), 'optim.weight_decay': ([0], [-1e-9]), 'optim.clip_norm': ([0], [-0.1]),
    'optim.scale_batch': (['null', 1, 10 ** 9], [0, 10 ** 9 + 1]), 'train.accumulate': ([1, 64], [0, 65]),
    'train.distill_weight': ([0, 1], [-0.1, 1.1]), 'train.distill_temperature': ([0.1], [0]),
    'train.loss_scale': (['null', 1, 1e38], [0.9, 1.1e38]), 'train.loss_scale_window': ([1, 2 ** 31 - 1], [0, 2 ** 31]),
    'train.epochs': ([1, 100_000], [0, 100_001]), 'train.seed': ([0, 2 ** 32 - 1], [-1, 2 ** 32]),
    'train.eval_every': ([1, 10 ** 9], [0, 10 ** 9 + 1]),
    'train.label_smoothing': ([0, 0.99], [1, -0.1]), 'train.ema_decay': ([0, 0.99999], [1, -0.1]),
    'train.save_minutes': ([1e-9], [0]), 'train.patience': ([0, 10 ** 9], [-1, 10 ** 9 + 1]),
    'train.chance_epochs': ([0, 10 ** 9], [-1, 10 ** 9 + 1]),
    'runtime.device': (['auto', 'CPU', 'Ascend', 'GPU'], ['TPU']), 'runtime.mode': (['graph', 'pynative'], ['eager']),
    'runtime.device_id': ([0, 4095], [-1, 4096]), 'runtime.kernels': (['auto', 'stock'], ['mine']),
    'runtime.amp': (['O0', 'O2', 'O3', 'auto'], ['O1']), 'runtime.amp_type': (['float16', 'bfloat16'], ['float32']),
    'runtime.threads': ([0, 1024], [-1, 1025]), 'runtime.jit_level': (['auto', 'O0', 'O1', 'O2'], ['O3']),
}


STUDY = {
    'study.base': (['ghostnet'], ['tinynet_a']), 'study.base_resolution': (['null', 8], [7]),
    'study.cost': (['macs', 'params', 'peak_memory'], ['latency']), 'study.trials': ([0, 100_000], [-1, 100_001]),
    'study.networks': ([['a'] * 10_000], [['a'] * 10_001]), 'study.seed': ([0, 2 ** 32 - 1], [-1, 2 ** 32]),
    'study.seeds': ([1, 1000], [0, 1001]), 'study.retries': ([0, 1000], [-1, 1001]),
    'study.workers': ([1, 256], [0, 257]), 'study.timeout_minutes': (['null', 0.1], [0]),
    **{f'study.{name}': (['[0.1, 0.1]', '[1e-9, 9]'], ['[0, 1]', '[0.5, 0.4]']) for name in ('r', 'd', 'w', 'budget')}}


@pytest.mark.parametrize('key', [*RANGES, *STUDY])
def test_what_is_inside_is_taken_and_what_is_outside_is_refused(key):
    taken, refused = {**RANGES, **STUDY}[key]
    for value in taken:
        load_config(None, [f'{key}={value}'], StudyConfig)
    for value in refused:
        with pytest.raises(ValueError, match=key):
            load_config(None, [f'{key}={value}'], StudyConfig)


def test_every_range_is_tried_at_its_ends():
    assert {*RANGES} == {*rules(Config)} and {*RANGES, *STUDY} == {*rules(StudyConfig)}


def test_every_key_says_in_one_sentence_what_it_does():
    for key in settings(StudyConfig):
        assert re.fullmatch(r'[A-Za-z].{10,250}\.', key.help) and key.help.count('. ') == 0, key


def test_help_names_every_choice_that_is_checked_elsewhere():
    from tinynets.data.classification import DATASETS
    from tinynets.training.optim import OPTIMIZERS
    from tinynets.training.schedule import SCHEDULES
    told = {key.name: set(re.findall(r'\w+', key.help.partition(':')[2])) - {'or'} for key in settings(Config)}
    assert told['data.name'] == {*DATASETS} and told['optim.name'] == {*OPTIMIZERS}
    assert told['optim.schedule'] == {*SCHEDULES}


def test_what_a_resumed_run_may_change():
    """None of these keys changes the weights' values, except by an earlier or later stop."""
    assert changeable() == {
        'data.dir', 'data.workers', 'data.check', 'data.strict', 'train.save_minutes', 'train.sink', 'train.patience',
        'train.chance_epochs', 'train.teacher', 'runtime.device', 'runtime.device_id', 'runtime.mode',
        'runtime.threads', 'runtime.kernels', 'runtime.jit_level'}


def test_the_defaults_are_the_published_recipe_and_imagenets_preprocessing():
    """By the authors' release and the paper; everything else is off."""
    config = to_dict(load_config())
    wanted = {
        'data': {'batch_size': 128, 'crop_ratio': 0.875, 'mean': [0.485, 0.456, 0.406],
                 'std': [0.229, 0.224, 0.225], 'crop_area': [0.08, 1.0], 'crop_aspect': [3 / 4, 4 / 3],
                 'flip': 0.5, 'images': None, 'holdout': 0, 'val_share': 0.2, 'strict': False, 'check': True,
                 'fast_decode': True, 'cache': 'auto'},
        'augment': {'num_ops': 0, 'erase': 0.0, 'mixup': 0.0, 'cutmix': 0.0, 'magnitude': 9.0,
                    'magnitude_std': 0.5, 'probability': 0.5, 'mix_switch': 0.5, 'mix_probability': 1.0,
                    'erase_with': 'noise'},
        'optim': {'name': 'rmsprop', 'learning_rate': 0.048, 'schedule': 'exponential', 'warmup_epochs': 3.0,
                  'warmup_start': 1e-6, 'decay_rate': 0.97, 'decay_epochs': 2.4, 'weight_decay': 1e-5, 'momentum': 0.9,
                  'rms_decay': 0.9, 'epsilon': None, 'nesterov': False, 'clip_norm': 0.0, 'scale_batch': None},
        'train': {'epochs': 450, 'label_smoothing': 0.1, 'ema_decay': 0.9999, 'eval_every': 1, 'patience': 0,
                  'chance_epochs': 0, 'accumulate': 1, 'teacher': None, 'loss_scale': None},
        'model': {'dropout': 0.2, 'drop_path': 0.0, 'pretrained': None, 'resolution': None}}
    for section, keys in wanted.items():
        assert {key: config[section][key] for key in keys} == keys, section
