"""Micro-batches, loss scale, soft targets and distillation: the step compared with NumPy, and a run with all."""
import json
import shutil
from types import SimpleNamespace

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from tests.conftest import SMALL
from tests.training.test_loop import STOP_AT
from tests.training.test_step import Linear
from tinynets.config import Config, RuntimeConfig, TrainConfig
from tinynets.model import checkpoint, create_model
from tinynets.model.weights import load_arrays
from tinynets.runtime import configure
from tinynets.tasks import restore
from tinynets.tasks.classification.task import Classification
from tinynets.training.build import _check_batch
from tinynets.training.distill import Distillation, answering, load_teacher
from tinynets.training.diverged import diverged_text
from tinynets.training.ema import WeightAverage
from tinynets.training.loop import Trainer, train
from tinynets.training.optim import build_optimizer
from tinynets.training.precision import check_precision, loss_scaler, mixed
from tinynets.training.run import RunFolder
from tinynets.training.state import State
from tinynets.training.step import TrainStep

RNG = np.random.default_rng(5)
IMAGES = RNG.normal(0, 2, (12, 3)).astype(np.float32)
LABELS = RNG.integers(0, 2, 12).astype(np.int32)
SHARES = RNG.dirichlet((1, 1), 12).astype(np.float32)


@pytest.fixture(autouse=True)
def graph_mode():
    ms.set_context(mode=ms.GRAPH_MODE)


def build(name='rmsprop', **options):
    net = Linear()
    optimizer = build_optimizer(name, net, [0.05] * 8, weight_decay=0.1)
    average = WeightAverage(net, 0.5)
    step = TrainStep(net, nn.CrossEntropyLoss(label_smoothing=0.1), optimizer, average, **options).set_train(True)
    return net, step


def state(step):
    return {p.name: p.asnumpy().copy() for p in step.get_parameters()}


def run(step, images=IMAGES, labels=LABELS):
    return float(step(Tensor(images), Tensor(labels)).asnumpy())


def log_softmax(z):
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def softmax(z):
    return np.exp(log_softmax(z))


def test_shares_of_classes_are_targets_with_smoothing():
    net, step = build('sgd')
    w, b = (p.asnumpy().astype(np.float64) for p in (net.weight, net.bias))
    z = IMAGES @ w + b
    target = SHARES * 0.9 + 0.05
    gradient = IMAGES.T @ (softmax(z) - target) / 12 + 0.1 * w  # and weight decay
    assert run(step, labels=SHARES) == pytest.approx(-(target * log_softmax(z)).sum(1).mean(), rel=1e-5)
    np.testing.assert_allclose(net.weight.asnumpy(), w - 0.05 * gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('clip, labels', [(0.2, LABELS), (0.0, SHARES)], ids=['labels', 'shares'])
def test_micro_batches_are_one_batch(clip, labels):
    """The clip acts on the mean gradient, not on each part's."""
    (_, whole), (_, parts) = build(clip_norm=clip), build(clip_norm=clip, micro_batches=3)
    for _ in range(3):
        assert run(parts, labels=labels) == pytest.approx(run(whole, labels=labels), rel=1e-5)
    want, got = state(whole), state(parts)
    assert got['global_step'] == want['global_step'] == 3 and got['ema_updates'] == 3
    for name, array in want.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=1e-6, err_msg=name)


def scaled(first, window=2):
    return loss_scaler(Config(train=TrainConfig(loss_scale=first, loss_scale_window=window)))


@pytest.mark.parametrize('parts', [1, 2])
def test_a_loss_scale_changes_no_bit_and_doubles_after_good_steps(parts):
    """Powers of two, as is the share of two parts: with three the framework rounds in another order."""
    (_, plain), (_, step) = build(clip_norm=0.2, micro_batches=parts), build(clip_norm=0.2, micro_batches=parts,
                                                                             scaler=scaled(1024.0, 2))
    scales = []
    for _ in range(5):
        assert run(step) == run(plain)
        scales.append(float(step.loss_scale.asnumpy()))
    assert scales == [1024, 2048, 2048, 4096, 4096]
    got = state(step)
    assert (got.pop('loss_scale.value'), got.pop('loss_scale.good_steps')) == (4096, 1)
    for name, array in state(plain).items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


@pytest.mark.parametrize('mode', [ms.GRAPH_MODE, ms.PYNATIVE_MODE], ids=['graph', 'pynative'])
@pytest.mark.parametrize('name', ['rmsprop', 'adamw'])
def test_an_overflow_halves_the_scale_and_leaves_everything_else(name, mode):
    """At 2^127 and with large images the loss is finite and its scaled gradients are not."""
    ms.set_context(mode=mode)
    _, step = build(name, clip_norm=1.0, scaler=scaled(1024.0, 2))
    run(step)
    assert step.good_steps.asnumpy() == 1
    before = state(step)
    step.loss_scale.set_data(Tensor(2.0 ** 127, ms.float32))
    loss = run(step, 100 * IMAGES)
    after = state(step)
    assert np.isfinite(loss) and after.pop('loss_scale.value') == 2.0 ** 126 and after.pop('loss_scale.good_steps') == 0
    for key, array in after.items():
        np.testing.assert_array_equal(array, before[key], err_msg=key)
    step.loss_scale.set_data(Tensor(512.0, ms.float32))
    assert run(step, 100 * IMAGES) == loss  # continues from where it was
    assert step.optimizer.global_step.asnumpy() == 2


@pytest.mark.parametrize('weight, temperature', [(0.0, 1.0), (1.0, 1.0), (0.3, 4.0)])
def test_distillation_is_the_formula_and_its_gradient(weight, temperature):
    rng = np.random.default_rng(9)
    teacher = nn.Dense(3, 2, Tensor(rng.normal(0, 1, (2, 3)).astype(np.float32)))
    before = {p.name: p.asnumpy().copy() for p in teacher.get_parameters()}
    for p in teacher.get_parameters():
        p.name = 'teacher.' + p.name
    net, step = build('sgd', distillation=Distillation(answering(teacher), weight, temperature))
    w, b = (p.asnumpy().astype(np.float64) for p in (net.weight, net.bias))
    z, t = IMAGES @ w + b, (IMAGES @ teacher.weight.asnumpy().T + teacher.bias.asnumpy()).astype(np.float64)
    target = np.eye(2)[LABELS] * 0.9 + 0.05
    q, p = softmax(t / temperature), softmax(z / temperature)
    divergence = (q * (np.log(q) - np.log(p))).sum(1).mean()
    want = (1 - weight) * -(target * log_softmax(z)).sum(1).mean() + weight * temperature ** 2 * divergence
    assert run(step) == pytest.approx(want, rel=1e-5)
    dz = ((1 - weight) * (softmax(z) - target) + weight * temperature * (p - q)) / 12
    np.testing.assert_allclose(net.weight.asnumpy(), w - 0.05 * (IMAGES.T @ dz + 0.1 * w), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net.bias.asnumpy(), b - 0.05 * dz.sum(0), rtol=1e-5, atol=1e-6)
    for p in teacher.get_parameters():
        np.testing.assert_array_equal(p.asnumpy(), before[p.name[len('teacher.'):]])
    assert not [name for name in state(step) if 'teacher' in name]


def test_no_gradient_reaches_a_teacher():
    teacher = nn.Dense(3, 2)
    answer = answering(teacher)

    def total(x):
        return answer(x).sum() + teacher.bias.sum()  # and one gradient that is not zero

    gradients = ops.grad(total, None, teacher.trainable_params())(Tensor(IMAGES))
    assert [float(g.abs().max().asnumpy()) for g in gradients] == [0, 1]


@pytest.mark.parametrize('batch, parts, reference, want', [(128, 1, None, 0.5), (64, 1, 128, 0.25), (64, 4, 128, 1.0)])
def test_the_learning_rate_follows_the_batch(batch, parts, reference, want, small_config):
    configure('CPU', kernels='stock')
    trainer = Trainer(small_config(f'data.batch_size={batch}', f'train.accumulate={parts}', 'optim.learning_rate=0.5',
                                   f'optim.scale_batch={reference or "null"}', 'optim.warmup_epochs=0',
                                   'optim.schedule=constant'), 'CPU', say=lambda line: None)
    built = trainer.parts
    assert built.rates == [want] * built.total_steps
    assert built.stream.batch_size == batch * parts and built.steps_per_epoch == 1437 // (batch * parts)


@pytest.mark.parametrize('batch, parts, side, words', [
    (1, 1, 1, 'one value per channel'), (4, 4, 1, 'one value per channel'), (4, 2, 1, ''), (2, 2, 2, ''), (1, 1, 2, ''),
    (6, 4, 2, 'cannot be divided into 4 equal parts'), (8, 4, 1, '')])
def test_a_part_must_leave_batch_norm_two_values(batch, parts, side, words):
    """A channel's mean and variance are over the images of a part and the pixels of the last map."""
    network = SimpleNamespace(plan=SimpleNamespace(resolution=16, classifier=SimpleNamespace(in_size=side)))
    stream = SimpleNamespace(batch_size=batch, dataset=range(9))
    config = Config(train=TrainConfig(accumulate=parts))
    if words:
        with pytest.raises(ValueError, match=words):
            _check_batch(config, network, stream)
    else:
        _check_batch(config, network, stream)


@pytest.mark.parametrize('runtime, compiled, words', [
    (RuntimeConfig(amp='O2'), True, 'runtime.amp=O2: the compiled CPU operators compute in float32; set'),
    (RuntimeConfig(amp='auto', amp_type='bfloat16'), False, 'runtime.amp_type=bfloat16: the CPU has no operators')])
def test_what_a_cpu_cannot_compute_is_refused(runtime, compiled, words):
    with pytest.raises(ValueError, match=words):
        check_precision(runtime, 'CPU', compiled)
    check_precision(runtime, 'Ascend', False)


def test_batch_norm_has_no_bfloat16():
    norm, images = nn.BatchNorm2d(3), Tensor(np.ones((2, 3, 4, 4)), ms.bfloat16)
    with pytest.raises(TypeError, match='BFloat16'):  # MindSpore's operator, on whatever device
        norm.to_float(ms.bfloat16)(images)
    with pytest.raises(ValueError, match='runtime.amp=O3: .* no batch norm in bfloat16; use runtime.amp=O2'):
        check_precision(RuntimeConfig(amp='O3', amp_type='bfloat16'), 'Ascend', False)
    check_precision(RuntimeConfig(amp='O2', amp_type='bfloat16'), 'Ascend', False)


def test_a_gpu_has_no_bfloat16():
    check_precision(RuntimeConfig(amp='O2'), 'GPU', False)
    with pytest.raises(ValueError, match='runtime.amp_type=bfloat16: the GPU has no operators'):
        check_precision(RuntimeConfig(amp='O2', amp_type='bfloat16'), 'GPU', False)


def test_the_release_before_types_of_precision(monkeypatch):
    """MindSpore 2.0 takes network and level alone, and knows neither bfloat16 nor the level auto."""
    network, levels = nn.ReLU(), []

    def old(network, amp_level='O0'):
        levels.append(amp_level)
        return network
    monkeypatch.setattr(ms.amp, 'auto_mixed_precision', old)
    for level in ('O0', 'O2', 'O3'):
        check_precision(RuntimeConfig(amp=level), 'GPU', False)
        assert mixed(network, RuntimeConfig(amp=level)) is network
    assert levels == ['O2', 'O3']
    for lacking in (RuntimeConfig(amp='auto'), RuntimeConfig(amp='O2', amp_type='bfloat16')):
        with pytest.raises(ValueError, match='float16 by the levels O2 and O3 only'):
            check_precision(lacking, 'GPU', False)


def test_float16_keeps_weights_and_norms_in_float32_and_has_a_loss_scale(stock_kernels):
    """O2's logits are close to those of float32 but not equal; parameters keep their names and type."""
    runtime = RuntimeConfig(amp='O2')
    assert loss_scaler(Config(runtime=runtime)).scale_value.asnumpy() == 65536
    for other in (RuntimeConfig(), RuntimeConfig(amp='O2', amp_type='bfloat16')):
        assert loss_scaler(Config(runtime=other)) is None
    images = Tensor(np.random.default_rng(0).normal(0, 1, (4, 3, 16, 16)).astype(np.float32))
    net = create_model(SMALL, num_classes=5)
    kinds = {p.name: p.dtype for p in net.get_parameters()}
    want = net.set_train(False)(images).asnumpy()
    lower = mixed(net, runtime).set_train(False)
    got = lower(images)
    assert got.dtype == ms.float32 and {p.name: p.dtype for p in lower.get_parameters()} == kinds
    error = np.abs(got.asnumpy() - want).max()
    assert 0 < error < 0.02 * np.abs(want).max() + 1e-3


def test_a_teacher_must_know_the_classes_and_the_pixels(trained):
    path = str(trained / 'best.ckpt')
    meta = checkpoint.load(path).meta
    names, pixels = meta['class_names'], meta['preprocessing']

    def student(class_names):
        """The task of a run on these classes, without its data."""
        task = Classification.__new__(Classification)
        task.class_names = tuple(class_names)
        return task
    network = load_teacher(path, student(names), pixels)
    assert {p.name.partition('.')[0] for p in network.get_parameters()} == {'teacher'} and not network.training
    for classes, words in ((names[:-1], "10 classes, the data set 9; class 9 is '9' in the teacher and none in"),
                           ([*names[:3], 'x', *names[4:]], "class 3 is '3' in the teacher and 'x' in")):
        with pytest.raises(ValueError, match=words):
            load_teacher(path, student(classes), pixels)
    for key, name, other in (('mean', 'data.mean', [0.0, 0.0, 0.0]), ('channels', 'channels', 'L'),
                             ('deviation', 'data.std', [*pixels['deviation'][:2], 0.9])):
        with pytest.raises(ValueError, match=f'was trained with {name}=') as caught:
            load_teacher(path, student(names), {**pixels, key: other})
        assert f', this run has {other}; they must be the same' in str(caught.value)
    with pytest.raises(FileNotFoundError, match='none.ckpt'):
        load_teacher('none.ckpt', student(names), pixels)


EVERYTHING = (
    'train.epochs=3', 'data.batch_size=128', 'train.accumulate=2', 'optim.scale_batch=256', 'optim.clip_norm=1',
    'optim.learning_rate=0.01', 'optim.name=rmsprop', 'model.dropout=0.3', 'model.drop_path=0.3', 'data.flip=0.5',
    'train.eval_every=3', 'augment.num_ops=2', 'augment.erase=0.5', 'augment.mixup=0.4', 'augment.cutmix=1.0',
    'train.loss_scale=1e38', 'train.loss_scale_window=3', 'train.save_minutes=1e-9')


def test_resumed_equals_uninterrupted_with_everything_on(trained, light_config, tmp_path, monkeypatch):
    """The scale starts so high that the first steps overflow, so skipped steps lie before the stop, good ones after."""
    configure('CPU')
    config = light_config(*EVERYTHING, f'train.teacher={trained / "best.ckpt"}')
    whole, resumed, save = tmp_path / 'whole', tmp_path / 'resumed', State.save

    def keep(state, path):
        save(state, path)
        if state.step == STOP_AT:
            shutil.copy(path, tmp_path / 'kept.ckpt')

    lines = []
    monkeypatch.setattr(State, 'save', keep)
    train(config, 'CPU', str(whole), say=lines.append)
    assert any('batch 256 in 2 parts' in line for line in lines)
    shutil.copytree(whole, resumed)
    shutil.move(tmp_path / 'kept.ckpt', resumed / 'last.ckpt')
    train(config, 'CPU', str(resumed), resume=True, say=lines.append)
    assert any(f'resumed at step {STOP_AT} of 15' in line for line in lines)
    want, got = (checkpoint.load(str(path / 'last.ckpt')).arrays for path in (whole, resumed))
    assert set(want) == set(got) and 'loss_scale.value' in want and not [n for n in want if n.startswith('teacher.')]
    for name, array in want.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)
    assert 0 < want['global_step'] < 15 and want['loss_scale.value'] != 1e38
    records = [json.loads(line) for line in (whole / 'metrics.jsonl').read_text().splitlines()]
    assert all(np.isfinite(r['loss']) for r in records)
    steps = [r for r in records if r['kind'] == 'train']
    assert 0 < steps[STOP_AT - 1]['updates'] < STOP_AT
    rates = Trainer(config, 'CPU', say=lambda line: None).parts.rates
    assert [r['step'] for r in steps] == list(range(1, 16)) and steps[-1]['updates'] == want['global_step']
    assert steps[-1]['loss_scale'] == want['loss_scale.value']
    for record in steps:  # a step without an update does not move the schedule
        assert record['learning_rate'] == rates[max(record['updates'], 1) - 1] and record['updates'] <= record['step']
    said = f"{15 - steps[-1]['updates']} of 15 steps did not change the weights because gradients overflowed"
    assert [line.startswith(said) for line in lines if 'overflowed' in line] == [True, True]


FIRST_SCALE = 2.0 ** 20  # too large for the first steps


@pytest.mark.parametrize('level', ['O2', 'O3', 'auto'])
def test_a_run_in_float16(level, light_config, tmp_path, monkeypatch, stock_kernels):
    """The loss scale by its rule, steps left out among them; everything saved is float32; going on changes no bit."""
    configure('CPU', kernels='stock')
    window = 4
    options = ('train.epochs=2', 'train.save_minutes=1e-9', 'model.dropout=0.3', 'optim.clip_norm=1',
               f'train.loss_scale={FIRST_SCALE}', f'train.loss_scale_window={window}', 'runtime.kernels=stock')
    config, whole, resumed = light_config(*options, f'runtime.amp={level}'), tmp_path / 'whole', tmp_path / 'resumed'
    save, states = State.save, {}

    def keep(state, path):
        save(state, path)
        states[state.step] = {name: array.copy() for name, array in state.arrays().items()}
        if state.step == STOP_AT:
            shutil.copy(path, tmp_path / 'kept.ckpt')
    monkeypatch.setattr(State, 'save', keep)
    train(config, 'CPU', str(whole), say=lambda line: None)
    records = {r['step']: r for r in map(json.loads, (whole / 'metrics.jsonl').read_text().splitlines())
               if r['kind'] == 'train'}
    scale, good, updates = FIRST_SCALE, 0, 0
    for step, record in records.items():
        if record['updates'] == updates:
            scale, good = scale / 2, 0
            for name, array in states[step].items():  # except the scale and what the forward pass changes
                if step > 1 and not name.startswith('loss_scale') and not name.endswith(
                        ('moving_mean', 'moving_variance', 'counter')):
                    np.testing.assert_array_equal(array, states[step - 1][name], err_msg=name)
        else:
            scale, good = (scale * 2, 0) if good == window - 1 else (scale, good + 1)
            updates += 1
        assert (record['updates'], record['loss_scale']) == (updates, scale)
        assert states[step]['loss_scale.good_steps'] == good
    assert 1 < updates < len(records) == 10

    shutil.copytree(whole, resumed)
    shutil.move(tmp_path / 'kept.ckpt', resumed / 'last.ckpt')
    train(config, 'CPU', str(resumed), resume=True, say=lambda line: None)
    want, got = (checkpoint.load(str(path / 'last.ckpt')) for path in (whole, resumed))
    assert set(want.arrays) == set(got.arrays) and 'moment1.stem.conv.weight' in want.arrays
    for name, array in want.arrays.items():
        np.testing.assert_array_equal(got.arrays[name], array, err_msg=name)
        integer = name.endswith('counter') or name in ('global_step', 'loss_scale.good_steps')
        assert array.dtype == (np.int32 if integer else np.float32) and np.isfinite(array).all(), name
    network = restore.restore_network(got)[0].set_train(False)  # in float32, as eval.py and export.py build it
    trainer = Trainer(light_config(*options), 'CPU', say=lambda line: None)
    evaluated = trainer.parts.eval_network
    load_arrays(evaluated, checkpoint.network_arrays(want.arrays, evaluated, 'ema'))
    images = Tensor(np.random.default_rng(0).normal(0, 1, (4, 3, 16, 16)).astype(np.float32))
    np.testing.assert_array_equal(network(images).asnumpy(), evaluated(images).asnumpy())
    said = [diverged_text(t.parts, RunFolder.open(str(whole)), np.nan, 3)
            for t in (trainer, Trainer(config, 'CPU', str))]
    advice = 'Also try runtime.amp=O0: the precision or range of float16 may be too small'
    assert [advice in line for line in said] == [False, True]


def test_another_teacher_is_another_run(trained, small_config, tmp_path):
    configure('CPU')
    path, changed = str(tmp_path / 'x.ckpt'), checkpoint.load(str(trained / 'best.ckpt'))
    checkpoint.save(str(tmp_path / 'other.ckpt'), {name: 2 * array for name, array in changed.arrays.items()},
                    changed.meta)
    first, other = (Trainer(small_config(f'train.teacher={teacher}'), 'CPU', say=lambda line: None)
                    for teacher in (trained / 'best.ckpt', tmp_path / 'other.ckpt'))
    first.state.save(path)
    first.state.resume(checkpoint.load(path))
    with pytest.raises(ValueError, match='teacher was .* and is '):
        other.state.resume(checkpoint.load(path))
