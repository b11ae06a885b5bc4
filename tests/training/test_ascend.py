"""Parts for an Ascend that can be tested without one: data_sink, fused updates, a step's kernels.

The device is the CPU with the flags of another."""
import collections
import os
import sys
import types

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from tinynets import runtime
from tinynets.config import RuntimeConfig
from tinynets.model import checkpoint
from tinynets.model.network import create_model
from tinynets.runtime import compile_level, configure
from tinynets.training import build, ema, feed, loop, optim
from tinynets.training.ema import WeightAverage
from tinynets.training.step import TrainStep


@pytest.fixture
def fused(stock_kernels, monkeypatch):
    """A function that turns fused operators on or off for optimizers and averages built from now on."""
    configure('CPU', kernels='stock')

    def choose(fuses):
        for module in (optim, ema):
            monkeypatch.setattr(module, 'fuses_updates', lambda: fuses)
    return choose


class Queue(nn.Cell):
    """A stand-in for data sinking: the next batch in every call."""

    def __init__(self, dataset):
        super().__init__()
        columns = zip(*(map(Tensor.asnumpy, batch) for batch in dataset.create_tuple_iterator(num_epochs=1)))
        self.columns = [Tensor(np.stack(column)) for column in columns]
        self.place = Parameter(Tensor(0, ms.int32), name='place')

    def construct(self):
        place = self.place.value() + 0
        batch = tuple([column[place] for column in self.columns])
        return ops.depend(batch, ops.assign_add(self.place, Tensor(1, ms.int32)))


@pytest.fixture
def first_ascend(monkeypatch):
    """MindSpore's data_sink on a CPU with the flag of the first Ascend 910."""
    module = sys.modules['mindspore.train.data_sink']
    asked = ms.context.get_context
    monkeypatch.setattr(module, 'context', types.SimpleNamespace(
        GRAPH_MODE=ms.GRAPH_MODE, get_context=lambda key: 'Ascend' if key == 'device_target' else asked(key)))
    monkeypatch.setattr(module, '_ascend_910a_target', lambda: True)
    monkeypatch.setattr(module, '_init_sink_dataset', lambda dataset, *_: (Queue(dataset), False))
    monkeypatch.setattr(build, 'sinks_data', lambda device: True)
    configure('CPU')


def test_the_first_ascend_runs_every_step_that_is_counted(first_ascend, light_config, tmp_path):
    config = light_config('train.epochs=2', 'data.batch_size=128')
    loop.train(config, 'CPU', str(tmp_path / 'sunk'), say=lambda line: None)
    sunk = checkpoint.load(str(tmp_path / 'sunk' / 'last.ckpt'))
    assert sunk.meta['step'] == sunk.arrays['global_step'].item() == 22
    config = light_config('train.epochs=2', 'data.batch_size=128', 'train.sink=false')
    loop.train(config, 'CPU', str(tmp_path / 'plain'), say=lambda line: None)
    plain = checkpoint.load(str(tmp_path / 'plain' / 'last.ckpt'))
    assert set(plain.arrays) == set(sunk.arrays)
    for name, array in plain.arrays.items():
        np.testing.assert_array_equal(sunk.arrays[name], array, err_msg=name)


@pytest.mark.parametrize('epoch, start, steps', [
    (11, 0, 11), (100, 0, 100), (195, 0, 65), (195, 195, 65), (195, 60, 15), (195, 61, 1), (1251, 0, 9), (1009, 0, 1),
    (200, 0, 100), (200, 350, 50), (99, 33, 33)])
def test_calls_of_data_sinking_end_with_epochs(epoch, start, steps):
    """Also of a run that was stopped within an epoch by a device that is fed step by step."""
    found = feed.call_steps(epoch, start)
    assert found == steps and (-start % epoch) % found == 0
    assert not any((-start % epoch) % more == 0 == epoch % more for more in range(found + 1, 101))


def test_epochs_have_the_same_steps_with_data_sinking_and_without():
    """Earlier releases left out the steps after the last 100 of an epoch; runs started by them keep doing so."""
    def earlier(steps):
        return types.SimpleNamespace(meta={'steps_per_epoch': steps})
    assert [build.epoch_steps(195, saved) for saved in (None, earlier(195), earlier(100), earlier(99))] == [
        195, 195, 100, 195]
    assert build.epoch_steps(1251, earlier(1200)) == 1200 and build.epoch_steps(60, earlier(0)) == 60


def test_steps_that_the_device_leaves_out_end_the_run(first_ascend, light_config, tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, 'compile_level', lambda asked, device: '')  # as it was: no level named
    with pytest.raises(ValueError, match='the device ran 1 steps of 11; set train.sink=false') as caught:
        loop.train(light_config('train.epochs=2', 'data.batch_size=128'), 'CPU', str(tmp_path / 'run'),
                   say=lambda line: None)
    assert '\n' not in str(caught.value) and not (tmp_path / 'run' / 'last.ckpt').exists()


def test_steps_without_an_update_are_steps(first_ascend, small_config, tmp_path):
    """An overflow skips updates, so the optimizer's step does not count the device's steps."""
    config = small_config('train.epochs=1', 'data.batch_size=128', 'train.loss_scale=1e38')
    loop.train(config, 'CPU', str(tmp_path / 'run'), say=lambda line: None)
    saved = checkpoint.load(str(tmp_path / 'run' / 'last.ckpt'))
    assert saved.meta['step'] == 11 and 0 < saved.arrays['global_step'].item() < 11


def test_how_graphs_are_compiled():
    for asked, device, level in (('auto', 'Ascend', 'O1'), ('auto', 'GPU', 'O0'), ('auto', 'CPU', 'O0'),
                                 ('O0', 'Ascend', 'O0'), ('O2', 'Ascend', 'O2'), ('O1', 'CPU', 'O1')):
        assert compile_level(asked, device) == level
    assert RuntimeConfig().jit_level == 'auto'
    with pytest.raises(ValueError, match='runtime.jit_level=O2: .*the device is CPU; use auto, O0 or O1'):
        configure('CPU', jit_level='O2')
    for asked, level in (('O1', 'O1'), ('auto', 'O0')):
        configure('CPU', jit_level=asked)
        assert ms.get_context('jit_config')['jit_level'] == level


def small_parameters():
    """Of fewer than eight numbers each: the CPU's ApplyRMSProp takes approximate roots of whole vectors (AVX)."""
    rng = np.random.default_rng(0)
    cell = nn.Cell()
    cell.weight = Parameter(Tensor(rng.normal(0, 1, (2, 3)).astype(np.float32)), name='weight')
    cell.bias = Parameter(Tensor(rng.normal(0, 1, 5).astype(np.float32)), name='bias')
    return cell


RATES = (0.01, 0.03, 0.02, 0.05, 0.04, 0.01)
DECAY = 0.1


def by_hand(name, param, gradients, decay):
    """The parameter after the updates, in float64, by the equations of the optimizers' docstrings."""
    p = param.astype(np.float64)
    s, m = np.ones_like(p), np.zeros_like(p)
    v = np.zeros_like(p)
    for t, (rate, g) in enumerate(zip(RATES, gradients), start=1):
        g = g.astype(np.float64)
        if name == 'rmsprop':
            g = g + decay * p
            s = 0.9 * s + 0.1 * g ** 2
            m = 0.8 * m + rate * g / np.sqrt(s + 1e-3)
            p = p - m
        elif name in ('sgd', 'nesterov'):
            g = g + decay * p
            m = 0.8 * m + g
            p = p - rate * (m if name == 'sgd' else g + 0.8 * m)
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g ** 2
            scaled = rate * np.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t)
            p = p * (1 - rate * decay) - scaled * m / (np.sqrt(v) + 1e-8)
    return p


@pytest.mark.parametrize('name', ['rmsprop', 'sgd', 'nesterov', 'adamw'])
def test_fused_updates_are_the_optimizers_equations(name, fused):
    rng = np.random.default_rng(1)
    found, names = {}, {}
    gradients = [[rng.normal(0, 10.0 ** (i - 3), shape).astype(np.float32) for i in range(len(RATES))]
                 for shape in ((2, 3), (5,))]
    for fuses in (False, True):
        fused(fuses)
        cell = small_parameters()
        optimizer = optim.build_optimizer('sgd' if name == 'nesterov' else name, cell, RATES, weight_decay=DECAY,
                                          momentum=0.8, nesterov=name == 'nesterov')
        for own in zip(*gradients):
            optimizer(tuple(map(Tensor, own)))
        found[fuses] = [p.asnumpy() for p in cell.trainable_params()]
        names[fuses] = [p.name for p in optimizer.get_parameters()]
        assert optimizer.global_step.asnumpy().item() == len(RATES)
    assert names[True] == names[False]  # a checkpoint of one loads in the other
    for i, param in enumerate(small_parameters().trainable_params()):
        wanted = by_hand(name, param.asnumpy(), gradients[i], DECAY if i == 0 else 0.0)
        np.testing.assert_allclose(found[False][i], wanted, rtol=2e-6, atol=1e-6)
        np.testing.assert_allclose(found[True][i], wanted, rtol=2e-6, atol=1e-6)


def test_nesterovs_update_stays_elementary(fused):
    fused(True)
    assert not optim.build_optimizer('sgd', small_parameters(), RATES, nesterov=True).by_operator
    assert optim.build_optimizer('sgd', small_parameters(), RATES).by_operator


def test_an_average_as_one_vector_is_the_average(fused):
    shadows = {}
    for fuses in (False, True):
        fused(fuses)
        cell = small_parameters()
        average = WeightAverage(cell, 0.9)
        for step in range(3):
            for param in cell.get_parameters():
                more = (step + 1) * np.arange(param.size, dtype=np.float32).reshape(param.shape)
                param.set_data(param + Tensor(more))
            average()
        shadows[fuses] = average.split({p.name: p.asnumpy() for p in average.get_parameters()})
        assert len(average.shadows) == (1 if fuses else 2)
    assert set(shadows[True]) == set(shadows[False]) == {'ema.weight', 'ema.bias', 'ema_updates', 'weight', 'bias'}
    for name, array in shadows[False].items():
        np.testing.assert_array_equal(shadows[True][name], array, err_msg=name)
    joined = average.join(shadows[True])
    assert joined['ema_vector'].shape == (11,) and 'ema.weight' not in joined
    np.testing.assert_array_equal(average.split(joined)['ema.weight'], shadows[True]['ema.weight'])
    incomplete = {'ema.weight': shadows[True]['ema.weight']}
    assert average.join(incomplete) == incomplete


@pytest.mark.parametrize('first', [False, True], ids=['from a CPU', 'to a CPU'])
def test_a_run_resumes_on_the_other_device(first, fused, light_config, tmp_path):
    """The run ends as without the change of device, up to rounding of roots; the files are the same."""
    config = light_config('optim.name=rmsprop', 'runtime.kernels=stock', 'train.epochs=2')
    arrays = {}
    for name, then in (('stayed', first), ('moved', not first)):
        fused(first)
        trainer = loop.Trainer(config, 'CPU', lambda line: None)
        losses = feed.losses(trainer.parts, 0, trainer.waiting)
        for _ in range(3):
            trainer.state.step, _ = next(losses)
        path = str(tmp_path / f'{name}.ckpt')
        trainer.state.save(path)
        fused(then)
        trainer = loop.Trainer(config, 'CPU', lambda line: None)
        trainer.state.resume(checkpoint.load(path))
        next(feed.losses(trainer.parts, trainer.state.step, trainer.waiting))
        arrays[name] = trainer.state.arrays()
    assert set(arrays['stayed']) == set(arrays['moved'])
    assert 'ema_vector' not in arrays['moved']
    for name, array in arrays['stayed'].items():
        np.testing.assert_allclose(arrays['moved'][name], array, rtol=5e-3, atol=5e-4, err_msg=name)


# operators that launch nothing
MARKS = {'UpdateState', 'Load', 'MakeTuple', 'TupleGetItem', 'Depend', 'Constant', 'Reshape', 'Return'}


def kernels_of(step, images, labels):
    """Return the number of launches per operator in the compiled graph of a step."""
    from mindspore.common.api import _cell_graph_executor
    from mindspore.train.mind_ir_pb2 import ModelProto
    step.compile(images, labels)
    graph, = step.compile_cache
    model = ModelProto()
    model.ParseFromString(_cell_graph_executor._graph_executor.get_func_graph_proto(graph, 'mind_ir', False))
    assert not model.functions
    names = (node.op_type.split(':') for node in model.graph.node)
    counts = collections.Counter(name[2] if name[0] == 'REF' else name[0] for name in names)
    return collections.Counter({name: count for name, count in counts.items() if name not in MARKS})


def test_a_step_launches_under_a_thousand_kernels(fused):
    """TinyNet-E's, with RMSProp and a weight average: 3,885 with elementary updates, 879 with fused ones."""
    fused(True)
    network = create_model('tinynet_e@resolution=32', num_classes=10)
    optimizer = optim.build_optimizer('rmsprop', network, [0.01], weight_decay=1e-5)
    step = TrainStep(network, nn.CrossEntropyLoss(), optimizer, WeightAverage(network, 0.99)).set_train(True)
    counts = kernels_of(step, Tensor(np.zeros((2, 3, 32, 32), np.float32)), Tensor(np.zeros(2, np.int32)))
    assert counts['ApplyRMSProp'] == len(network.trainable_params()) == 135
    assert counts['Conv2D'] == 51  # all convolutions are counted
    assert counts['Sqrt'] == 0 and counts['AssignAdd'] < 10
    assert 600 < sum(counts.values()) < 1000


def test_fused_updates_are_for_devices_only(monkeypatch):
    for device, fuses in (('CPU', False), ('Ascend', True), ('GPU', True)):
        monkeypatch.setattr(ms, 'get_context', lambda key: device)
        assert runtime.fuses_updates() == fuses


def where():
    return os.getpid(), ms.get_context('device_target')


def test_what_is_compared_is_computed_on_the_cpu(monkeypatch):
    configure('CPU')
    assert runtime.on_cpu(where) == (os.getpid(), 'CPU')
    monkeypatch.setattr(ms, 'get_context', lambda key: 'Ascend')
    process, device = runtime.on_cpu(where)
    assert device == 'CPU' and process != os.getpid()
    with pytest.raises(ValueError, match='invalid literal'):
        runtime.on_cpu(int, 'x')
    with pytest.raises(ValueError, match='killed'):
        runtime.on_cpu(os._exit, 3)
