"""Which networks the compiled operators run, and which layers run as one operator."""
import dataclasses

import pytest

from tinynets.arch import expand, list_models, resolve
from tinynets.arch.layers import BLOCKS, Layer, block_layers
from tinynets.arch.spec import BlockPlan, StageSpec
from tinynets.native.fusion import Step, block_steps, network_steps, serves

MBCONV = BlockPlan('block', 'mbconv', 16, 16, 8, 8, kernel=5, expanded_channels=64, se_channels=4)
GHOST = BlockPlan('block', 'ghost', 16, 24, 8, 4, kernel=5, stride=2, expanded_channels=32, se_channels=8)


def named(block, **options):
    """Return steps as the names of their layers and of the maps that they read."""
    layers = block_layers(block)
    names = ['input'] + [layer.name or 'conv' for layer in layers]
    return [(' '.join(names[i + 1] for i in step.layers), [None if r is None else names[r] for r in step.reads],
             ''.join(mark for mark, on in (('p', step.pooled), ('d', step.defer_norm), ('i', step.input_act)) if on))
            for step in block_steps(block, **options)]


def test_the_steps_of_a_mobile_block():
    assert named(MBCONV) == [
        ('expand', ['input', None, None], 'd'),
        ('depthwise se.mean', ['expand', None, None], 'pi'),
        ('se.reduce se.expand', ['se.mean'], ''),
        ('se.scale project add', ['depthwise', 'se.expand', 'input'], '')]
    dropped = named(dataclasses.replace(MBCONV, drop_path=0.1))
    assert dropped[3:] == [('se.scale project', ['depthwise', 'se.expand', None], ''), ('drop_path', ['project'], ''),
                           ('add', ['drop_path', 'input'], '')]
    plain = dataclasses.replace(MBCONV, se_channels=0, out_channels=24)
    assert named(plain) == [('expand', ['input', None, None], 'd'), ('depthwise', ['expand', None, None], 'i'),
                            ('project', ['depthwise', None, None], '')]


def test_the_steps_of_a_ghost_block():
    """Halves that are read twice, by the cheap convolution and by the concatenation, keep their norm."""
    assert named(GHOST) == [
        ('expand.primary', ['input', None, None], ''),
        ('expand.cheap', ['expand.primary', None, None], ''),
        ('expand.concat', ['expand.primary', 'expand.cheap'], ''),
        ('depthwise se.mean', ['expand.concat', None, None], 'p'),
        ('se.reduce se.expand', ['se.mean'], ''),
        ('se.scale project.primary', ['depthwise', 'se.expand', None], ''),
        ('project.cheap', ['project.primary', None, None], ''),
        ('project.concat', ['project.primary', 'project.cheap'], ''),
        ('shortcut.depthwise', ['input', None, None], ''),
        ('shortcut.project', ['shortcut.depthwise', None, None], ''),
        ('add', ['project.concat', 'shortcut.project'], '')]


def test_a_deferred_norm_is_finished_by_its_reader_wherever_that_is(monkeypatch):
    def apart(block, add):
        one = add.conv('one', 0, 16)
        other = add.conv('other', 0, 16, act='none')
        add.add(add.depthwise('two', one, 3), other)
    monkeypatch.setitem(BLOCKS, 'apart', apart)
    assert named(dataclasses.replace(MBCONV, kind='apart')) == [
        ('one', ['input', None, None], 'd'), ('other', ['input', None, None], ''), ('two', ['one', None, None], 'i'),
        ('add', ['two', 'other'], '')]


def test_the_means_of_a_map_that_is_no_convolutions_are_a_step():
    steps = named(dataclasses.replace(GHOST, stride=1, out_size=8))
    assert steps[3:5] == [('se.mean', ['expand.concat'], ''), ('se.reduce se.expand', ['se.mean'], '')]


@pytest.mark.parametrize('name', [*list_models(), 'mobilenetv3_small@d=2', 'ghostnet@d=2'])
def test_steps_cover_every_layer_once_and_in_order(name):
    plan = expand(resolve(name, drop_path=0.2, dropout=0.1))
    assert serves(plan) == (not name.startswith('resnet'))
    for block in plan.blocks:
        layers, steps = block_layers(block), network_steps(plan)[block.name]
        assert [i for step in steps for i in step.layers] == list(range(len(layers)))
        shown = {0}  # maps that a step gives; the others are only inside one
        for step in steps:
            assert set(step.reads) - {None} <= shown
            shown |= {step.layers[-1] + 1} | ({step.layers[-2] + 1} if step.pooled else set())
        for step in steps:
            conv = next((layers[i] for i in step.layers if layers[i].kind == 'conv'), None)
            if conv is not None and (conv.depthwise or step.pooled or step.defer_norm):
                assert step.reads[2] is None  # the operators add no residual there
            assert not (step.defer_norm and step.reads[1] is not None)


@pytest.mark.parametrize('name, deferred', [
    ('tinynet_e', True), ('mobilenetv3_small', False), ('ghostnet', False), ('efficientnet_b0@d=0.1', True)])
def test_the_stems_norm_is_deferred_to_one_depthwise_reader_of_its_activation(name, deferred):
    plan = expand(resolve(name))
    steps = network_steps(plan)
    first = steps['stages.0.0'][0]
    assert steps['stem'] == (Step((0,), (0, None, None), defer_norm=deferred),)
    assert first.input_act == (plan.stem.activation if deferred else None)


def test_a_stem_whose_map_a_shortcut_reads_too_keeps_its_norm():
    spec = resolve('efficientnet_b0')
    same = dataclasses.replace(spec, stages=(StageSpec('depthwise_separable', 32, width='fixed'), *spec.stages[1:]))
    assert expand(same).stages[0][0].residual and not network_steps(expand(same))['stem'][0].defer_norm


@pytest.mark.parametrize('changes, served', [
    ({}, True), ({'folded': True}, False), ({'activation': 'hsigmoid'}, False), ({'hidden': 24, 'dropout': 0.5}, True),
    ({'stem': StageSpec('conv', 32, kernel=3, stride=2, pool=2, activation='relu')}, False),
    ({'stem': StageSpec('conv', 32, kernel=4, stride=2)}, False), ({'stem': StageSpec('conv', 32, kernel=7)}, True),
    ({'head': StageSpec('conv', 64, kernel=3)}, False)])
def test_networks_served(changes, served):
    assert serves(expand(dataclasses.replace(resolve('tinynet_e'), **changes))) is served


@pytest.mark.parametrize('gate, served', [('sigmoid', True), ('hsigmoid', True), ('hardtanh', False)])
def test_gates_served(gate, served):
    spec = resolve('tinynet_e')
    assert serves(expand(dataclasses.replace(spec, squeeze=dataclasses.replace(spec.squeeze, gate=gate)))) is served


def test_a_kind_of_block_is_one_function(monkeypatch):
    """A new kind: its cost, its cell, its steps and its folded form need nothing else."""
    import numpy as np
    from mindspore import Tensor

    from tinynets.arch import layer_costs
    from tinynets.deploy.fold import fold
    from tinynets.model.network import Network
    from tinynets.model.weights import initialise

    def twice(block, add):
        x = add.conv('one', 0, block.out_channels, stride=block.stride)
        add.add(add.depthwise('two', x, 3, act='none'), x)
    monkeypatch.setitem(BLOCKS, 'twice', twice)
    spec = resolve('tinynet_e', num_classes=3, resolution=32)
    plan = expand(dataclasses.replace(spec, stages=(StageSpec('twice', 12, stride=2, repeats=2),)))
    costs = {cost.name: cost.params for cost in layer_costs(plan)}
    channels = plan.stages[0][0].out_channels
    assert costs['stages.0.0.two.conv'] == 9 * channels + 2 * channels
    network = Network(plan).set_train(False)
    initialise(network, 0)
    assert sum(p.size for p in network.trainable_params()) == sum(costs.values())
    images = Tensor(np.random.default_rng(0).normal(0, 1, (2, 3, 32, 32)).astype(np.float32))
    want = network(images).asnumpy()
    np.testing.assert_allclose(fold(network)(images).asnumpy(), want, atol=1e-5 * np.abs(want).max())


def test_layers_say_what_they_are():
    layer = Layer('conv', 'it', (0,), 8, 8, 4, 4, kernel=1, groups=8)
    assert layer.depthwise and not layer.pointwise
    assert dataclasses.replace(layer, groups=1).pointwise
    assert not dataclasses.replace(layer, groups=1, stride=2).pointwise
    assert not dataclasses.replace(layer, groups=1, kernel=3).pointwise
