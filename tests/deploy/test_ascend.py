"""The edge scripts and the converter for an Ascend, as far as a machine without one shows it."""
import os
import shutil

import pytest

from tests.conftest import ROOT
from tests.deploy.conftest import SDK, needs_sdk
from tests.deploy.test_edge import is_error, program, run, wrapper  # noqa: F401 (fixtures)
from tinynets import launch
from tinynets.arguments import check_distributed, check_named


def asked_of(folder):
    """A stand-in for the inference program that writes its arguments; it refuses every model on an Ascend."""
    program(folder / 'build' / 'tinynet_infer', f'echo "$*" >> "{folder}/asked"',
            '[ "$1" != --check ] || [[ "$*" != *"--device ascend"* ]] || { echo "error: does not load" >&2; exit 2; }')
    program(folder / 'build' / 'lite_convert', f'echo "$*" >> "{folder}/converted"', 'echo "${@:3}" > "$2"')


@pytest.mark.parametrize('words, device, options', [
    ([], 'cpu', ''), (['--topk', 2], 'cpu', '--topk 2'), (['cpu'], 'cpu', ''), ([3], 'ascend', '--device-id 3'),
    (['Ascend', 1, '--topk', 2], 'ascend', '--device-id 1 --topk 2'), (['ascend'], 'ascend', ''),
    (['CPU', 0], 'cpu', '--device-id 0'), (['--device', 'ascend'], 'ascend', '--device ascend')])
def test_devices_in_the_model_zoos_order(words, device, options, wrapper, tmp_path):  # noqa: F811
    command, environment = wrapper
    asked_of(tmp_path)
    done = run(*command, *words, env=environment)
    assert done.returncode == 0, done.stderr
    *check, classify = (tmp_path / 'asked').read_text().splitlines()
    number = options.split()[1] if options.startswith('--device-id') else '0'
    assert check == [f'--check --model {tmp_path}/x.mindir --device {device} --device-id {number}'] * (
        device == 'ascend')
    model = classify.split()[1]
    assert classify == f'--model {model} --images images --device {device} {options}'.rstrip()
    assert (model == f'{tmp_path}/x.mindir') == (device == 'cpu')


def test_an_ascends_model_is_converted_for_it(wrapper, tmp_path):  # noqa: F811
    """Also for the batch, which a compiled model cannot change; a CPU takes the MINDIR as it is."""
    command, environment = wrapper
    asked_of(tmp_path)
    program(tmp_path / 'build' / 'tinynet_infer', '[ "$1" != --check ] || { echo "error: does not load" >&2; exit 2; }',
            'cat "$2"')
    cann = tmp_path / 'cann'
    cann.mkdir()
    (cann / 'version.cfg').write_text('8.3')
    found = {}
    for name, words, more in (('cpu', ['cpu', '--batch', 4], {}), ('one', ['ascend'], {}),
                              ('four', [0, '--batch', 4], {}),
                              ('with CANN', ['ascend'], {'ASCEND_HOME_PATH': str(cann)})):
        for _ in range(2):  # the second time out of the cache
            done = run(*command, *words, env={**environment, **more})
            assert done.returncode == 0, done.stderr
        found[name] = done.stdout.strip()
    assert found == {'cpu': 'x.mindir',
                     'one': 'ascend 1 1 4 8 16', 'four': 'ascend 4 1 4 8 16', 'with CANN': 'ascend 1 1 4 8 16'}
    assert len((tmp_path / 'converted').read_text().splitlines()) == 3
    (cann / 'version.cfg').write_text('9.0')
    run(*command, 'ascend', env={**environment, 'ASCEND_HOME_PATH': str(cann)})
    assert len((tmp_path / 'converted').read_text().splitlines()) == 4


def test_images_or_a_rank_table_in_place_of_the_model(wrapper, tmp_path):  # noqa: F811
    command, environment = wrapper
    (tmp_path / 'data').mkdir()
    is_error(run(*command[:2], tmp_path / 'data', command[2], env=environment), 'MODEL comes first',
             f'bash scripts/run_infer_310.sh {command[2]} {tmp_path}/data')
    is_error(run(*command[:2], 'hccl_8p.json', 'images', env=environment), 'hccl_8p.json: a rank table is for training')


@pytest.mark.parametrize('script, arguments, wanted', [
    ('eval.py', ['data', 'a.ckpt'], 'python eval.py --checkpoint a.ckpt --data-dir data'),
    ('eval.py', ['a.ckpt', '--json', 'x'], 'python eval.py --checkpoint a.ckpt'),
    ('eval.py', ['data'], 'python eval.py --checkpoint CHECKPOINT --data-dir data'),
    ('train.py', ['data', 'a.ckpt'], "python train.py --config CONFIG --set model.pretrained=a.ckpt --data-dir data"),
    ('train.py', ['a.YAML', 'my data'], "python train.py --config a.YAML --data-dir 'my data'"),
    ('train.py', ['hccl_8p.json', 'data'],
     'RANK_TABLE_FILE=hccl_8p.json bash scripts/run_distribute_train.sh CONFIG 8 --data-dir data')])
def test_values_without_a_name(script, arguments, wanted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data').mkdir()
    with pytest.raises(ValueError) as error:
        check_named(script, arguments)
    assert str(error.value).endswith(f': {wanted}') and '\n' not in str(error.value)
    check_named(script, ['--config', 'a.yaml', 'x'])
    check_named(script, [])


@pytest.mark.parametrize('script, arguments, wanted', [
    ('train', ['hccl_8p.json', 'data'], 'RANK_TABLE_FILE=hccl_8p.json bash scripts/run_distribute_train.sh CONFIG 8 '
     '--data-dir data'),
    ('train', ['hccl_4p.json', '4', 'data', 'val'], 'RANK_TABLE_FILE=hccl_4p.json bash scripts/run_distribute_train.sh '
     'CONFIG 4 --data-dir data'),
    ('train', ['8', 'data'], 'bash scripts/run_distribute_train.sh CONFIG 8 --data-dir data'),
    ('train', ['data'], 'bash scripts/run_distribute_train.sh CONFIG 8 --data-dir data'),
    ('train', ['a.yaml', '2', 'data', '--run', 'x'], 'bash scripts/run_distribute_train.sh a.yaml 2 --data-dir data'),
    ('eval', ['data', 'a.ckpt'], 'bash scripts/run_distribute_eval.sh a.ckpt 8 --data-dir data'),
    ('eval', ['a.ckpt', 'data'], 'bash scripts/run_distribute_eval.sh a.ckpt 8 --data-dir data')])
def test_the_launcher_is_given_another_order(script, arguments, wanted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'data' / 'train').mkdir(parents=True)
    (tmp_path / 'run' / 'events').mkdir(parents=True)
    with pytest.raises(ValueError) as error:
        launch.parse([f'{script}.py', *arguments])
    said = str(error.value)
    assert said.startswith('the order is ') and said.endswith(f': {wanted}')
    launch.parse(['train.py', 'run', '2', '--data-dir', 'data'])
    check_distributed('eval.py', ['a.ckpt', '--data-dir', 'data'])


def test_scripts_say_it_in_one_line(entry, tmp_path):
    for script, words in (('train.py', ['data', 'x.ckpt']), ('eval.py', ['data', 'x.ckpt'])):
        done = entry(script, *words, cwd=tmp_path)
        is_error(done, f'{script} takes its arguments by name: python {script} --')


@pytest.mark.parametrize('script, arguments, wanted', [
    ('run_standalone_train_gpu.sh', ['--config', 'a.yaml'], 'train.py --config a.yaml --set runtime.device=GPU'),
    ('run_standalone_train_gpu.sh', ['--resume', 'a b'], 'train.py --resume a b'),
    ('run_eval_gpu.sh', ['--checkpoint', 'x'], 'eval.py --checkpoint x --device GPU')])
def test_one_gpu(script, arguments, wanted, tmp_path):
    scripts = tmp_path / 'scripts'
    scripts.mkdir()
    shutil.copy(ROOT / 'scripts' / script, scripts)
    (scripts / 'cuda.sh').write_text(f'ROOT={tmp_path}; PATH={tmp_path}:$PATH\n')
    program(tmp_path / 'python', 'echo "$*"')
    done = run('bash', scripts / script, *arguments)
    assert done.returncode == 0 and done.stdout == f'{tmp_path}/{wanted}\n', done.stderr


def attributes(path):
    """Return a converted file's integer attributes and its input shape."""
    from mindspore.train.mind_ir_pb2 import ModelProto
    model = ModelProto()
    model.ParseFromString(path.read_bytes())
    return {a.name: a.i for a in model.graph.attribute}, list(model.graph.input[0].tensor[0].dims)


@pytest.fixture(scope='module')
def onnx(trained, tmp_path_factory):
    from tinynets.deploy.export import export
    from tinynets.runtime import configure
    configure('CPU')
    return export(str(trained / 'best.ckpt'), ['ONNX'], str(tmp_path_factory.mktemp('onnx')))[0].path


@needs_sdk
def test_a_model_for_an_ascend_is_not_optimised_for_a_cpu(build, onnx, tmp_path):  # noqa: F811
    """MindSpore Lite refuses a file with that mark on an Ascend; with 0 it compiles the file when it loads it."""
    environment = {name: value for name, value in os.environ.items() if name != 'ASCEND_HOME_PATH'}
    for name, words, batch in (('ascend', ['ascend'], 1), ('four', ['ascend', 4, 1, 4], 4)):
        done = run(build / 'lite_convert', onnx, tmp_path / f'{name}.mindir', *words, env=environment)
        assert done.returncode == 0, done.stderr
        found, shape = attributes(tmp_path / f'{name}.mindir')
        assert (found['isOptimized'], shape) == (0, [batch, 3, 16, 16]), name
        assert (tmp_path / f'{name}.mindir.json').is_file()
    for words in (['ascend', 0], ['ascend', 'x'], ['ascend', 1, '']):
        is_error(run(build / 'lite_convert', onnx, tmp_path / 'x.mindir', *words), 'must be a whole number from 1')
    is_error(run(build / 'lite_convert', onnx, tmp_path / 'four.mindir', 'ascend'), 'exists already')
    is_error(run(build / 'lite_convert', tmp_path / 'absent.onnx', tmp_path / 'y.mindir', 'ascend'), 'no such file')
    for words in (['gpu'], ['cpu'], []):
        done = run(build / 'lite_convert', onnx, tmp_path / 'x.mindir', *words)
        assert done.returncode == 2 and done.stderr.startswith('usage: lite_convert')


@needs_sdk
def test_with_cann_the_model_is_compiled_for_all_batches(build, onnx, tmp_path):  # noqa: F811
    """The options of the library's converter, recorded by a stand-in; and its error without CANN."""
    source = (ROOT / 'ascend310_infer/src/lite_convert.cc').read_text()
    declared = source[source.index('namespace mindspore {'):source.index('#endif')]
    (tmp_path / 'converter.cc').write_text('#include <iostream>\n#include <map>\n#include <memory>\n#include <string>\n'
                                           '#include <vector>\n#include "include/api/status.h"\n'
                                           '#include "include/api/types.h"\n'
                                           '#include "include/registry/converter_context.h"\n' + declared + '''
namespace mindspore {
void Converter::SetNoFusion(bool no) { std::cout << "no fusion " << no << "\\n"; }
void Converter::SetDevice(const std::vector<char> &name) { std::cout << "device " << CharToString(name) << "\\n"; }
void Converter::SetInputShape(const std::map<std::vector<char>, std::vector<int64_t> > &) { std::cout << "shape\\n"; }
void Converter::SetConfigInfo(const std::vector<char> &section,
                              const std::map<std::vector<char>, std::vector<char> > &config) {
  for (const auto &item : config) {
    std::cout << CharToString(section) << " " << CharToString(item.first) << " " << CharToString(item.second) << "\\n";
  }
}
}
''')
    made = run('g++', '-std=c++17', '-shared', '-fPIC', f'-I{SDK}', f'-I{SDK}/include', tmp_path / 'converter.cc', '-o',
               tmp_path / 'libconverter.so')
    assert made.returncode == 0, made.stderr
    environment = {**os.environ, 'ASCEND_HOME_PATH': str(tmp_path)}
    command = [build / 'lite_convert', onnx, tmp_path / 'x.mindir', 'ascend', 4, 1, 4, 16]
    told = run(*command, env={**environment, 'LD_PRELOAD': str(tmp_path / 'libconverter.so')}).stdout.splitlines()
    assert [line for line in told if 'RESULT' not in line] == [
        'device Ascend', 'ascend_context dynamic_dims [4],[1],[16]', 'ascend_context input_shape images:[-1,3,16,16]']
    done = run(*command[:2], tmp_path / 'y.mindir', *command[3:], env=environment)
    assert done.returncode == 2 and f'without ASCEND_HOME_PATH ({tmp_path})' in done.stderr
    assert not (tmp_path / 'y.mindir').exists()
