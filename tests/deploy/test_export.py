"""Folding, exported files compared with the checkpoint, manifests, errors; no incomplete files."""
import hashlib
import json
import os
import types

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from tests.conftest import SMALL
from tinynets.arch import measure
from tinynets.deploy import export as export_module
from tinynets.deploy.export import export
from tinynets.deploy.fold import fold
from tinynets.deploy.manifest import manifest_path, read_manifest
from tinynets.deploy.predict import load_predictor, mindir_function, onnx_function
from tinynets.files import file_hash
from tinynets.model import checkpoint, create_model
from tinynets.model.weights import load_arrays
from tinynets.runtime import configure
from tinynets.tasks import restore


@pytest.fixture(autouse=True)
def graph_mode():
    configure('CPU')


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory):
    configure('CPU')
    out = tmp_path_factory.mktemp('out with spaces') / 'export'
    return {item.format: item for item in export(str(trained / 'best.ckpt'), ['mindir', ' ONNX'], str(out))}


def test_a_file_that_does_not_run_is_one_line_without_the_frameworks_own(exported, capfd):
    run = mindir_function(exported['MINDIR'].path)
    with pytest.raises(ValueError, match=r'\.mindir: MindSpore \S+ cannot run it on images \(1, 5, 16, 16\) \('):
        run(np.zeros((2, 5, 16, 16), np.float32))
    assert capfd.readouterr() == ('', '')


OTHERS = ['ghostnet@d=0.2,w=0.3,resolution=32', 'mobilenetv3_small@d=0.2,w=0.35,resolution=32',
          'resnet50@d=0.1,w=0.1,resolution=32']


def unlike_the_start(name):
    """A network with norms that are not the identity, and a generator."""
    net, rng = create_model(name, num_classes=5, dropout=0.3, drop_path=0.2), np.random.default_rng(0)
    load_arrays(net, {p.name: p.asnumpy() if p.dtype == ms.int32 else
                      (np.abs(rng.normal(1, 0.3, p.shape)) if p.ndim == 1 else p.asnumpy())
                      for p in net.get_parameters()})
    return net, rng


@pytest.mark.parametrize('name', OTHERS)
def test_other_families_fold_and_go_through_onnx(name, tmp_path):
    """Also without the hard swish operator, which MindSpore Lite 2.0.0's converter refuses."""
    import onnx
    net, rng = unlike_the_start(name)
    images = rng.normal(0, 1, (3, 3, 32, 32)).astype(np.float32)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    want = net.set_train(False)(Tensor(images)).asnumpy()
    configure('CPU')
    folded, path = fold(net), str(tmp_path / 'x.onnx')
    export_module._write_onnx(folded, images[:1], path)
    assert np.abs(onnx_function(path)(images) - want).max() < 1e-4 * np.abs(want).max()
    assert not {'HardSwish', 'BatchNormalization', 'ReduceMean'} & {node.op_type for node in onnx.load(path).graph.node}
    assert sum(p.size for p in folded.get_parameters()) == measure(folded.plan).params


def test_folding_keeps_the_function():
    net, rng = unlike_the_start(SMALL)
    images = Tensor(rng.normal(0, 1, (3, 3, 16, 16)).astype(np.float32))
    want, folded = net.set_train(False)(images).asnumpy(), fold(net)
    got = folded(images).asnumpy()
    assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()
    assert not any(isinstance(cell, nn.BatchNorm2d) for _, cell in folded.cells_and_names())
    assert sum(p.size for p in folded.get_parameters()) == measure(folded.plan).params
    assert measure(folded.plan).macs == measure(net.plan).macs


def test_folding_knows_the_norms_epsilon():
    """A channel that hardly varies: its variance is about the epsilon, 1e-5, which then affects the output."""
    net, rng = unlike_the_start(SMALL)
    net.stem.norm.moving_variance.set_data(Tensor(np.full(net.stem.norm.moving_variance.shape, 1e-5, np.float32)))
    images = rng.normal(0, 1, (3, 3, 16, 16)).astype(np.float32)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    want = net.set_train(False)(Tensor(images)).asnumpy()
    got = fold(net)(Tensor(images)).asnumpy()
    assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()
    weight, gamma = net.stem.conv.weight.asnumpy(), net.stem.norm.gamma.asnumpy()
    np.testing.assert_allclose(fold(net).stem.conv.weight.asnumpy(),
                               weight * (gamma / np.sqrt(2e-5))[:, None, None, None], rtol=1e-5)


@pytest.mark.parametrize('kind', ['MINDIR', 'ONNX'])
def test_exported_logits_are_the_checkpoints(kind, exported, trained):
    network, _ = restore.restore_network(checkpoint.load(str(trained / 'best.ckpt')))
    images = np.random.default_rng(5).normal(0, 1, (5, 3, 16, 16)).astype(np.float32)
    want = network(Tensor(images)).asnumpy()
    model = load_predictor(exported[kind].path)
    got = model.predict(images)
    assert got.shape == (5, 10) and np.abs(got - want).max() < 1e-4 * np.abs(want).max()
    np.testing.assert_allclose(model.predict(images[3:4])[0], got[3], rtol=1e-4, atol=1e-6)  # the batch is variable
    assert exported[kind].max_difference < 1e-4 * np.abs(want).max() * 2


def test_manifest_says_all_a_program_needs(exported, trained):
    meta = checkpoint.load(str(trained / 'best.ckpt')).meta
    for kind, item in exported.items():
        manifest = json.load(open(item.manifest, encoding='utf-8'))
        data = open(item.path, 'rb').read()
        assert manifest['sha256'] == hashlib.sha256(data).hexdigest() and manifest['bytes'] == len(data)
        assert manifest['file'] == os.path.basename(item.path)
        assert manifest['input']['shape'] == [None if kind == 'ONNX' else 1, 3, 16, 16]
        assert manifest['class_names'] == list('0123456789')
        assert manifest['preprocessing'] == meta['preprocessing']
        assert manifest['cost']['params'] == sum(
            p.size for p in create_model(**meta['network']).trainable_params())
        assert manifest['weights'] == 'ema' and manifest['max_difference'] == item.max_difference


def test_both_manifests_name_the_checkpoint(exported, trained):
    assert {read_manifest(item.path)['checkpoint'] for item in exported.values()} == {
        file_hash(str(trained / 'best.ckpt'))}


def test_the_manifest_has_the_score_of_the_checkpoint_and_not_the_best_one():
    meta = {'network': {'name': SMALL}, 'class_names': [], 'preprocessing': {}, 'config': {}, 'best': {'top1': 90.0},
            'score': {'top1': 80.0}}
    saved = checkpoint.Checkpoint('x.ckpt', {}, meta)
    assert export_module._manifest(saved, create_model(SMALL), 'raw', 'ONNX', 0.0)['score'] == {'top1': 80.0}


def test_the_manifest_has_each_multiplier_under_its_own_name(trained, tmp_path):
    """The same blocks under a name of another depth."""
    saved = checkpoint.load(str(trained / 'best.ckpt'))
    network = {**saved.meta['network'], 'name': 'tinynet_e@w=0.1,d=0.15,resolution=16'}
    checkpoint.save(str(tmp_path / 'x.ckpt'), saved.arrays, {**saved.meta, 'network': network})
    made, = export(str(tmp_path / 'x.ckpt'), ['ONNX'], str(tmp_path / 'out'))
    manifest = json.load(open(made.manifest, encoding='utf-8'))
    assert manifest['scaling'] == {'base': 'efficientnet_b0', 'r': 16 / 224, 'd': 0.15, 'w': 0.1}
    assert manifest['output']['shape'] == [None, 10] and manifest['kind'] == 'ONNX'


def test_onnx_has_no_batch_norm_and_a_free_batch(exported):
    import onnx
    graph = onnx.load(exported['ONNX'].path).graph
    assert not {'BatchNormalization', 'Dropout'} & {node.op_type for node in graph.node}
    for value in (graph.input[0], graph.output[0]):
        assert value.type.tensor_type.shape.dim[0].dim_param == 'batch'
    assert [graph.input[0].name, graph.output[0].name] == ['images', 'logits']


def test_mismatch_writes_nothing_and_leaves_what_was(exported, trained, monkeypatch):
    folder = os.path.dirname(exported['ONNX'].path)
    before = {name: open(os.path.join(folder, name), 'rb').read() for name in os.listdir(folder)}

    def broken(network):
        folded = fold(network)
        folded.classifier.dense.bias.set_data(folded.classifier.dense.bias + 0.01)
        return folded
    monkeypatch.setattr(export_module, 'fold', broken)
    with pytest.raises(ValueError, match='differs from the checkpoint.*nothing was written'):
        export(str(trained / 'best.ckpt'), ['ONNX'], folder)
    assert before == {name: open(os.path.join(folder, name), 'rb').read() for name in os.listdir(folder)}


@pytest.mark.parametrize('share, passes', [(0.7e-4, True), (1.3e-4, False), (np.nan, False)])
def test_a_ten_thousandth_of_the_largest_logit_may_differ(share, passes, exported, trained, tmp_path, monkeypatch):
    shift = share * exported['ONNX'].largest_logit

    def shifted(network):
        folded = fold(network)
        folded.classifier.dense.bias.set_data(folded.classifier.dense.bias + shift)
        return folded
    monkeypatch.setattr(export_module, 'fold', shifted)
    if passes:
        made, = export(str(trained / 'best.ckpt'), ['ONNX'], str(tmp_path))
        assert made.max_difference == pytest.approx(shift, rel=0.1)
    else:
        with pytest.raises(ValueError, match='nothing was written'):
            export(str(trained / 'best.ckpt'), ['ONNX'], str(tmp_path))


def test_the_format_of_manifests_is_one_and_another_is_refused(exported, tmp_path):
    """The format is that which programs of earlier releases, and the C++ one, read."""
    for ending in ('', '.json'):
        (tmp_path / f'x.onnx{ending}').write_bytes(open(exported['ONNX'].path + ending, 'rb').read())
    tree = json.loads((tmp_path / 'x.onnx.json').read_text())
    assert tree['format'] == 1 and read_manifest(str(tmp_path / 'x.onnx'))['kind'] == 'ONNX'
    for other in (0, 2):
        (tmp_path / 'x.onnx.json').write_text(json.dumps({**tree, 'format': other}))
        with pytest.raises(ValueError, match=f'format.* {other}'):
            read_manifest(str(tmp_path / 'x.onnx'))


def test_the_largest_logit_and_difference_are_those_of_the_file(exported, trained):
    """On the images of export: four with standard normal numbers, seed 0."""
    network, _ = restore.restore_network(checkpoint.load(str(trained / 'best.ckpt')))
    images = np.random.default_rng(0).normal(0, 1, (4, 3, 16, 16)).astype(np.float32)
    want = network(Tensor(images)).asnumpy()
    for item in exported.values():
        assert item.largest_logit == pytest.approx(np.abs(want).max(), rel=1e-5)
        got = load_predictor(item.path).predict(images)
        assert item.max_difference == pytest.approx(np.abs(got - want).max(), abs=1e-6)
        assert item.bytes == os.path.getsize(item.path)


def test_a_repeated_format_is_written_once(trained, tmp_path):
    made = export(str(trained / 'best.ckpt'), ['onnx', 'ONNX'], str(tmp_path))
    assert [item.format for item in made] == ['ONNX']


def test_air_without_an_ascend_names_the_alternative(trained, tmp_path):
    with pytest.raises(ValueError, match='only on a machine with an Ascend.*MINDIR'):
        export(str(trained / 'best.ckpt'), ['MINDIR', 'AIR'], str(tmp_path / 'out'))
    with pytest.raises(ValueError, match="'tflite'.*MINDIR, ONNX, AIR"):
        export(str(trained / 'best.ckpt'), ['tflite'], str(tmp_path / 'out'))
    assert not (tmp_path / 'out').exists()


def test_air_is_written_by_the_graph_engine(monkeypatch):
    """Kernel by kernel, the default of later Ascends, MindSpore's export writes no file and fails to find it."""
    levels = []
    monkeypatch.setattr(export_module.ms, 'export',
                        lambda *args, **options: levels.append((ms.get_context('jit_config'), options['file_format'])))
    export_module._write_air(None, np.zeros((1, 3, 16, 16), np.float32), 'model.air')
    assert levels == [({'jit_level': 'O2'}, 'AIR')] and ms.get_context('jit_config') == {'jit_level': 'O0'}


def test_damaged_files_are_named(exported, tmp_path):
    path = tmp_path / 'x.onnx'
    path.write_bytes(open(exported['ONNX'].path, 'rb').read())
    with pytest.raises(FileNotFoundError, match='x.onnx.json'):
        read_manifest(str(path))
    text = open(exported['ONNX'].manifest, encoding='utf-8').read()
    (tmp_path / 'x.onnx.json').write_text(text)
    assert read_manifest(str(path))['kind'] == 'ONNX'
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match='sha256 differs'):
        read_manifest(str(path))
    open(manifest_path(str(path)), 'w').write('{')
    with pytest.raises(ValueError, match='not a manifest'):
        read_manifest(str(path))
    with pytest.raises(ValueError, match='ending must be one of .ckpt, .mindir, .onnx'):
        load_predictor(str(tmp_path / 'x.pth'))


def test_means_are_global_pools_in_onnx(exported):
    import onnx
    graph = onnx.load(exported['ONNX'].path).graph
    kinds = [node.op_type for node in graph.node]
    gates = kinds.count('GlobalAveragePool') - 1  # and the classifier's
    assert 'ReduceMean' not in kinds and kinds.count('Flatten') == 1 and gates == 7


@pytest.fixture
def coarse_convolutions(monkeypatch):
    """This process rounds convolutions' weights, as an Ascend does (HF32), to fewer bits as the network is small."""
    original = restore.restore_network

    def rounded(*arguments):
        network, kind = original(*arguments)
        for parameter in network.get_parameters():
            if parameter.ndim == 4:
                mantissa, exponent = np.frexp(parameter.asnumpy())
                parameter.set_data(Tensor(np.ldexp(np.round(mantissa * 2 ** 8) / 2 ** 8, exponent)))
        return network, kind
    monkeypatch.setattr(restore, 'restore_network', rounded)
    monkeypatch.setattr(export_module, '_write_air', lambda network, images, path: open(path, 'wb').close())
    monkeypatch.setitem(export_module.FORMATS, 'AIR', ('air', export_module._write_air, None))
    given = ms.get_context
    monkeypatch.setattr(ms, 'get_context', lambda key: 'Ascend' if key == 'device_target' else given(key))


def test_files_are_compared_where_float32_is_whole(coarse_convolutions, trained, tmp_path):
    """On an Ascend a convolution of float32 differs in the fourth digit, which is no error of a file."""
    made = export(str(trained / 'best.ckpt'), ['ONNX', 'AIR', 'MINDIR'], str(tmp_path))
    assert [item.format for item in made] == ['ONNX', 'AIR', 'MINDIR']
    assert all(item.max_difference < 1e-4 * item.largest_logit and os.path.exists(item.path) for item in made)
    images = np.random.default_rng(0).normal(0, 1, (4, 3, 16, 16)).astype(np.float32)
    network, _ = restore.restore_network(checkpoint.load(str(trained / 'best.ckpt')))
    difference = np.abs(network(Tensor(images)).asnumpy() - onnx_function(made[0].path)(images)).max()
    assert difference > export_module.TOLERANCE * made[0].largest_logit  # and would have been refused here


def test_the_quickstart_scores_the_checkpoint_where_it_scores_the_file(trained, small_config, tmp_path):
    """A score of another device is not comparable: its rounding may change an image's class."""
    from tinynets.quickstart import deploy
    best = str(trained / 'best.ckpt')
    result, made = deploy(small_config(), str(tmp_path), best, None)
    assert result.top1 == pytest.approx(checkpoint.load(best).meta['score']['top1'], abs=1e-4)
    assert sorted(made) == ['MINDIR', 'ONNX']
    assert {'confusion.png', 'predictions.png', 'export'} <= set(os.listdir(tmp_path))
    with pytest.raises(ValueError, match=f'the exported model scores {result.top1:.2f} %, the checkpoint 0.00 %'):
        deploy(small_config(), str(tmp_path), best, 0.0)


def test_the_outputs_shape_is_the_tasks(trained, monkeypatch):
    saved = checkpoint.load(str(trained / 'best.ckpt'))
    network, kind = restore.restore_network(saved, 'auto')
    task = types.SimpleNamespace(name='boxes', manifest=lambda meta: {'boxes': meta['step']},
                                 output_shape=lambda manifest: [manifest['boxes'], 4])
    monkeypatch.setattr(export_module, 'task_of', lambda meta: task)
    for name, batch in (('MINDIR', 1), ('ONNX', None)):
        made = export_module._manifest(saved, network, kind, name, 0.0)
        assert made['output']['shape'] == [batch, saved.meta['step'], 4] and made['task'] == 'boxes'
