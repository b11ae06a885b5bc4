"""Weights from files: what is loaded, ignored and refused, equally from every kind of file."""
import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.conftest import SMALL
from tests.model import archives
from tinynets.model import checkpoint, create_model
from tinynets.model.pretrained import load_pretrained, read_weights
from tinynets.model.weights import mismatches, torch_names
from tinynets.tasks import restore

CLASSES = 5


@pytest.fixture(scope='module')
def state():
    return archives.state_of(SMALL, CLASSES)


def values(net):
    return {p.name: p.asnumpy() for p in net.get_parameters()}


def by_our_names(net, state):
    return {name: state[theirs] for name, theirs in torch_names(net).items()}


@pytest.mark.parametrize('kind', ['x.safetensors', 'x.pth', 'x.bin', 'wrapped.pth.tar', 'module.safetensors'])
def test_every_kind_of_file_holds_the_same(tmp_path, state, kind):
    path, said = str(tmp_path / kind), []
    if kind == 'module.safetensors':
        save_file({f'module.{name}': array for name, array in state.items()}, path)
    elif kind.endswith('safetensors'):
        save_file(state, path)
    else:
        archives.write_state(path, state, wrap='state_dict' if 'wrapped' in kind else None)
    net = create_model(SMALL, num_classes=CLASSES, dropout=0.2, checkpoint=path, say=said.append)
    loaded, wanted = values(net), by_our_names(net, state)
    assert len([name for name in loaded if 'counter' in name]) == len(loaded) - len(wanted) == 1
    for name, array in wanted.items():
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)
    assert said == [f'{len(wanted)} arrays of weights from {path}; the classifier of {CLASSES} classes is kept']


def test_what_thop_counted_is_left_out(tmp_path, state):
    """thop.profile adds its numbers to every module, and thus to the state dictionary."""
    path = str(tmp_path / 'x.pth')
    counts = {name: np.array([9.0])
              for name in ('total_ops', 'total_params', 'conv_stem.total_ops', 'bn1.total_params')}
    archives.write_state(path, {**state, **counts})
    loaded = values(create_model(SMALL, num_classes=CLASSES, checkpoint=path, say=str))
    for name, array in by_our_names(create_model(SMALL), state).items():
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)
    archives.write_state(path, {**state, 'conv_stem.total': np.array([9.0])})
    with pytest.raises(ValueError, match='conv_stem.total'):
        create_model(SMALL, num_classes=CLASSES, checkpoint=path, say=str)


def test_another_number_of_classes_leaves_the_classifier_alone(tmp_path, state, capsys):
    path = str(tmp_path / 'x.safetensors')
    save_file(state, path)
    loaded = values(create_model(SMALL, num_classes=3, seed=4, checkpoint=path))
    fresh = values(create_model(SMALL, num_classes=3, seed=4))
    wanted = by_our_names(create_model(SMALL), state)
    for name, array in loaded.items():
        source = fresh if name.startswith('classifier.') else wanted
        np.testing.assert_array_equal(array, source[name], err_msg=name)
    assert capsys.readouterr().err == (f'{len(wanted) - 2} arrays of weights from {path}; the classifier is '
                                       f'new: 3 classes, {CLASSES} in the file\n')


def test_what_does_not_fit_is_named_and_nothing_changes(tmp_path, state):
    net = create_model(SMALL, num_classes=CLASSES)
    before = values(net)

    def refused(words, arrays, **file):
        path = str(tmp_path / 'x.safetensors')
        save_file(arrays, path)
        with pytest.raises(ValueError, match=words) as caught:
            load_pretrained(net, path)
        for name, array in values(net).items():
            np.testing.assert_array_equal(array, before[name])
        return str(caught.value)
    without = {n: a for n, a in state.items() if not n.startswith(('blocks.0.0.bn1.', 'classifier.bias'))}
    other = {'fc.weight': np.zeros(3, np.float32), 'bn2.weight': np.ones((2, 2), np.float32)}
    line = refused('do not fit', {**without, **other})
    assert ('missing: blocks.0.0.bn1.bias, blocks.0.0.bn1.running_mean, blocks.0.0.bn1.running_var, '
            'blocks.0.0.bn1.weight, classifier.bias (5); not in the network: fc.weight (1); '
            'shape differs: bn2.weight is (2, 2), the network has (1280,) (1)') in line
    line = refused('do not fit', {'classifier.weight': state['classifier.weight']})
    assert f'... ({len(torch_names(net)) - 1})' in line and len(line) < 600
    refused('classifier.weight is .5, 7., the network has .5, 1280.', {**state, 'classifier.weight': np.zeros((5, 7))})
    refused('classifier.weight is .4, 1280., the network has .5, 1280.',
            {**state, 'classifier.weight': np.zeros((4, 1280), np.float32)})  # and a bias of 5
    refused('classifier.weight is .4, 7.', {**state, 'classifier.weight': np.zeros((4, 7), np.float32),
                                            'classifier.bias': np.zeros(4, np.float32)})  # of another network
    for name, shape in (('classifier.bias', ()), ('classifier.bias', (4, 1)), ('classifier.weight', (4,)),
                        ('conv_stem.weight', ()), ('conv_stem.weight', (8,))):
        refused(f'shape differs: {name} is \\({", ".join(map(str, shape))},?\\), the network has',
                {**state, name: np.zeros(shape, np.float32)})
    refused('not finite', {**state, 'bn1.bias': np.full(32, np.nan, np.float32)})
    refused('bn1.bias holds int64', {**state, 'bn1.bias': np.zeros(32, np.int64)})
    refused('is not the name of a weight', {**state, 'a\x1b[2J': np.zeros(1, np.float32)})
    refused('x.safetensors: two of its names differ by a prefix',
            {**state, 'module.bn1.bias': np.zeros(32, np.float32)})
    refused('in_channels=3: .* images of 1 channels', {**state, 'conv_stem.weight': state['conv_stem.weight'][:, :1]})


@pytest.mark.parametrize('names, words', [('abc', 'a, b, c (3)'), ('abcd', 'a, b, c ... (4)')])
def test_dots_stand_for_names_that_are_left_out(names, words):
    assert mismatches(dict.fromkeys(names, (1,)), {}) == f'missing: {words}'


def test_other_channels(tmp_path, state):
    save_file(state, str(tmp_path / 'x.safetensors'))
    with pytest.raises(ValueError, match='in_channels=1: .* 3 channels; build the network with in_channels=3'):
        create_model(SMALL, num_classes=CLASSES, in_channels=1, checkpoint=str(tmp_path / 'x.safetensors'))


def test_other_precisions_become_float32(tmp_path, state):
    """bfloat16 by the file format itself: eight bytes of length, JSON, numbers."""
    header, data = {}, b''
    for name, array in state.items():
        bits = (array.astype(np.float32).view(np.uint32) >> 16).astype('<u2')
        ends = [len(data), len(data) + bits.nbytes]
        header[name] = {'dtype': 'BF16', 'shape': list(array.shape), 'data_offsets': ends}
        data += bits.tobytes()
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    (tmp_path / 'bf16.safetensors').write_bytes(struct.pack('<Q', len(text)) + text + data)
    save_file({n: a.astype(np.float16) for n, a in state.items()}, str(tmp_path / 'f16.safetensors'))
    mixed = {n: a.astype(np.float64) if 'bn' in n and a.ndim else a for n, a in state.items()}
    archives.write_state(str(tmp_path / 'f64.pth'), mixed)
    cut = {n: (a.view(np.uint32) & 0xffff0000).view(np.float32) for n, a in state.items() if a.dtype == np.float32}
    halves = {n: a.astype(np.float16) for n, a in state.items()}
    for file, wanted, note in (('bf16.safetensors', cut, 'bfloat16'), ('f16.safetensors', halves, 'float16'),
                               ('f64.pth', state, 'float64')):
        found = read_weights(str(tmp_path / file))
        assert found.note == f'{note} converted to float32'
        assert all(a.dtype == np.float32 for a in found.arrays.values())
        for name, array in found.arrays.items():
            np.testing.assert_array_equal(array, wanted[name].astype(np.float32), err_msg=name)
    save_file({'a': np.array([1e300])}, str(tmp_path / 'large.safetensors'))
    with pytest.raises(ValueError, match='not finite'):
        read_weights(str(tmp_path / 'large.safetensors'))
    with pytest.raises(ValueError, match='one set of weights'):
        read_weights(str(tmp_path / 'large.safetensors'), 'ema')


def test_weights_of_a_run(trained):
    saved = checkpoint.load(str(trained / 'best.ckpt'))
    for kind in ('ema', 'raw'):
        wanted = values(restore.restore_network(saved, kind)[0])
        net = create_model(SMALL, num_classes=10)
        load_pretrained(net, str(trained / 'best.ckpt'), kind)
        for name, array in values(net).items():
            np.testing.assert_array_equal(array, wanted[name], err_msg=name)
    with pytest.raises(ValueError, match=f'which are {SMALL}\'s, do not fit tinynet_e; missing: stages'):
        create_model('tinynet_e', checkpoint=str(trained / 'best.ckpt'))


def test_config_json_knows_better_than_shapes(tmp_path, state):
    save_file(state, str(tmp_path / 'model.safetensors'))
    for text, words in (('{"architecture": "tf_efficientnet_b0"}', "says that these are tf_efficientnet_b0's weights"),
                        ('{"architecture": ', 'not valid JSON'), ('[' * 100_000, 'not valid JSON')):
        (tmp_path / 'config.json').write_text(text)
        with pytest.raises(ValueError, match=words):
            create_model(SMALL, num_classes=CLASSES, checkpoint=str(tmp_path / 'model.safetensors'))
    for text in ('[]', '{"editor": 1}', json.dumps({'architecture': SMALL})):
        (tmp_path / 'config.json').write_text(text)
        create_model(SMALL, num_classes=CLASSES, checkpoint=str(tmp_path / 'model.safetensors'), say=str)


@pytest.mark.parametrize('name, data, words', [
    ('x.h5', b'', 'the ending must be one of .ckpt, .safetensors, .pth'),
    ('x.safetensors', b'', 'damaged, or not safetensors'),
    ('x.safetensors', b'\xff' * 64, 'damaged, or not safetensors'),
    ('x.safetensors', struct.pack('<Q', 2) + b'{}junk', 'damaged, or not safetensors'),
    ('x.pth', b'text', 'not a file of torch.save'),
    ('x.safetensors', b'version https://git-lfs\noid sha256:0\nsize 9\n', 'pointer of Git LFS'),
    ('x.ckpt', b'text', 'cannot be read'),
])
def test_damaged_files(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=words) as caught:
        create_model(SMALL, checkpoint=str(tmp_path / name))
    assert '\n' not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        create_model(SMALL, checkpoint=str(tmp_path / 'none.pth'))


@pytest.mark.parametrize('name, theirs', [
    ('tinynet_c', 'tinynet_c'), ('tinynet_d', 'tinynet_d'), ('efficientnet_b0@d=0.695,w=0.54', 'tinynet_d'),
    ('efficientnet_b0@d=0.9,w=0.54,r=0.825', None), ('efficientnet_b0@d=1.2,w=0.9', None), ('ghostnet', 'ghostnet_100'),
    ('mobilenetv3_small@w=0.75', 'mobilenetv3_small_075'), ('tinynet_a@resolution=64', 'tinynet_a')])
def test_a_network_is_timms_where_base_depth_and_width_are(name, theirs):
    from tinynets.arch import resolve
    from tinynets.model.pretrained import timm_name
    assert timm_name(resolve(name)) == (theirs or name)
