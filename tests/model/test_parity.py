"""Equality with the authors' PyTorch networks; golden numbers by tests/golden/generate.py (timm, float64)."""
import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from tests.golden import rule
from tinynets import native
from tinynets.model import create_model
from tinynets.model.weights import load_torch_arrays, torch_names

OWN = ('efficientnet_b0', *(f'tinynet_{letter}' for letter in 'abcde'))  # at their own resolutions
FAMILIES = ('ghostnet_100', 'mobilenetv3_large_100', 'mobilenetv3_large_075', 'mobilenetv3_small_100',
            'mobilenetv3_small_075', 'mobilenetv3_small_050', 'resnet50')
SMALL = 64  # pixels


@pytest.fixture(scope='module')
def golden(root):
    return dict(np.load(root / 'tests' / 'golden' / 'timm.npz'))


def filled(name):
    net = create_model(name)
    names = torch_names(net)
    state = {names[p.name]: rule.weight(names[p.name], p.shape) for p in net.get_parameters()}
    load_torch_arrays(net, {**state, 'bn1.num_batches_tracked': np.array(7)})
    return net


def relative(got, want):
    return np.abs(got - want).max() / np.abs(want).max()


@pytest.mark.parametrize('mode', [ms.GRAPH_MODE, ms.PYNATIVE_MODE], ids=['graph', 'pynative'])
@pytest.mark.parametrize('name', OWN)
def test_logits_equal_the_authors(name, mode, golden):
    ms.set_context(mode=mode)
    net = filled(name).set_train(False)
    logits = net(Tensor(rule.images(net.plan.resolution, 1))).asnumpy()[0]
    assert relative(logits, golden[f'logits/{name}']) < 1e-4


@pytest.mark.parametrize('name', FAMILIES)
def test_logits_of_the_other_families_equal_the_authors(name, golden):
    ms.set_context(mode=ms.PYNATIVE_MODE)  # no compilation; the graphs are tested with the gradients
    logits = filled(name).set_train(False)(Tensor(rule.images(SMALL, 1))).asnumpy()[0]
    assert relative(logits, golden[f'logits/{name}']) < 1e-4


@pytest.mark.parametrize('name, kind, mode', [
    ('ghostnet_100', 'auto', ms.PYNATIVE_MODE), ('ghostnet_100', 'stock', ms.PYNATIVE_MODE),
    ('mobilenetv3_small_050', 'auto', ms.GRAPH_MODE), ('mobilenetv3_small_050', 'stock', ms.PYNATIVE_MODE),
    ('resnet50', 'stock', ms.PYNATIVE_MODE)])
def test_gradients_of_the_other_families_equal_the_authors(name, kind, mode, golden):
    """On the compiled kernels if the network uses them, and on the framework's operators.

    ResNet-50's first layers see values that fall on either side of a ReLU's kink in float32: thousandths of the
    gradient.
    """
    native.choose(kind)
    ms.set_context(mode=mode)
    net = filled(name).set_train(name != 'resnet50')
    native.choose()
    names = torch_names(net)
    chosen = [p for p in net.trainable_params() if f'{name}/gradient/{names[p.name]}' in golden]
    assert len(chosen) == sum(key.startswith(f'{name}/gradient/') for key in golden)
    labels = golden['labels'].astype(np.int32)
    step = ms.value_and_grad(nn.WithLossCell(net, nn.CrossEntropyLoss()), None, chosen)
    loss, gradients = step(Tensor(rule.images(SMALL, len(labels))), Tensor(labels))
    assert float(loss.asnumpy()) == pytest.approx(golden[f'{name}/loss'], rel=1e-4)
    for param, gradient in zip(chosen, gradients):
        theirs, got = names[param.name], gradient.asnumpy().astype(np.float64).ravel()
        got, want = np.concatenate([[np.linalg.norm(got)], rule.signs(theirs, got.size) @ got]), golden[
            f'{name}/gradient/{theirs}']
        assert np.abs(got - want).max() <= (5e-3 if name == 'resnet50' else 1e-3) * want[0], theirs


@pytest.mark.parametrize('mode', [ms.GRAPH_MODE, ms.PYNATIVE_MODE], ids=['graph', 'pynative'])
@pytest.mark.parametrize('norm', ['eval', 'train'])
def test_gradients_and_statistics_equal_the_authors(norm, mode, golden):
    ms.set_context(mode=mode)
    net = filled('tinynet_e').set_train(norm == 'train')
    forward = nn.WithLossCell(net, nn.CrossEntropyLoss())
    labels = golden['labels'].astype(np.int32)
    step = ms.value_and_grad(forward, None, net.trainable_params())
    loss, gradients = step(Tensor(rule.images(106, len(labels))), Tensor(labels))
    assert float(loss.asnumpy()) == pytest.approx(golden[f'loss/{norm}'], rel=1e-5)
    names = torch_names(net)
    largest = max(golden[f'gradient/{norm}/{name}'][0] for name in names.values()
                  if f'gradient/{norm}/{name}' in golden)
    for param, gradient in zip(net.trainable_params(), gradients):
        name = names[param.name]
        got, want = gradient.asnumpy().astype(np.float64).ravel(), golden[f'gradient/{norm}/{name}']
        got = np.concatenate([[np.linalg.norm(got)], rule.signs(name, got.size) @ got])
        if norm == 'train' and want[0] < 1e-12 * largest:
            # a shift that the next batch norm removes: zero in exact arithmetic, rounding noise in float32
            assert np.abs(got).max() < 1e-6 * largest, name
        else:
            assert np.abs(got - want).max() <= 1e-3 * want[0], name
    if norm == 'train':
        params = {names[p.name]: p for p in net.get_parameters()}
        for key in (k for k in golden if k.startswith('statistics/')):
            name = key.partition('/')[2]
            assert relative(params[name].asnumpy(), golden[key]) < 1e-4, name
