"""Names of networks: variants, multipliers after the @, and mistakes in either."""
import subprocess
import sys

import pytest

from tinynets.arch.spec import input_resolution
from tinynets.arch.zoo import BASES, VARIANTS, list_models, resolve


@pytest.mark.parametrize('name, pixels', [
    ('efficientnet_b0', 224), ('tinynet_a', 192), ('tinynet_b', 188), ('tinynet_c', 184), ('tinynet_d', 152),
    ('tinynet_e', 106), ('efficientnet_b-1', 189), ('efficientnet_b-4', 98), ('resnet50', 224)])
def test_input_side_of_a_variant(name, pixels):
    assert input_resolution(resolve(name)) == pixels


def test_list_models_is_every_row_and_every_row_resolves():
    assert list_models() == ['efficientnet_b0'] + [f'tinynet_{letter}' for letter in 'abcde'] + [
        f'efficientnet_b-{power}' for power in (1, 2, 3, 4)] + ['ghostnet_100'] + [
        f'mobilenetv3_{size}' for size in ('large_100', 'large_075',
                     'small_100', 'small_075', 'small_050')] + ['resnet50']
    for name, row in VARIANTS.items():
        spec = resolve(name)
        assert (spec.name, spec.base, spec.r, spec.d, spec.w) == (name, row.base, row.r, row.d, row.w)


@pytest.mark.parametrize('name', BASES)
def test_a_base_is_a_name_too(name):
    assert resolve(name) == BASES[name]
    assert resolve(f'{name}@d=0.5,resolution=64').d == 0.5


@pytest.mark.parametrize('name, r, d, w, pixels', [
    ('efficientnet_b0@r=0.7', 0.7, 1, 1, 156), ('efficientnet_b0@d=0.5,w=0.9', 1, 0.5, 0.9, 224),
    ('tinynet_e@w=0.7', 0.475, 0.6, 0.7, 106), ('tinynet_e@r=0.5,d=1,w=2', 0.5, 1, 2, 112),
    ('tinynet_e@resolution=64', 64 / 224, 0.6, 0.51, 64),
    (' tinynet_e@ w = 1e-1 , resolution=16 ', 16 / 224, 0.6, 0.1, 16)])
def test_multipliers_replace_those_of_the_row(name, r, d, w, pixels):
    spec = resolve(name)
    assert (spec.r, spec.d, spec.w, input_resolution(spec)) == (r, d, w, pixels)


@pytest.mark.parametrize('name, given, pixels', [
    ('tinynet_e', 64, 64), ('tinynet_e@r=0.9', 64, 64), ('tinynet_e@resolution=32', 64, 64),
    ('tinynet_e@resolution=32', None, 32), ('tinynet_e', None, 106)])
def test_an_argument_outranks_the_name(name, given, pixels):
    spec = resolve(name, resolution=given)
    assert input_resolution(spec) == pixels
    assert spec.r == (0.475 if pixels == 106 else pixels / 224)


def test_other_fields_are_replaced():
    spec = resolve('tinynet_a', num_classes=10, in_channels=1, dropout=0.3, folded=True)
    assert (spec.num_classes, spec.in_channels, spec.dropout, spec.folded) == (10, 1, 0.3, True)


@pytest.mark.parametrize('name, close', [
    ('tinynet-e', 'tinynet_'), ('TinyNet_A', 'tinynet_'), ('eficientnet_b0', 'efficientnet_b0'),
    ('tinynt_c@r=0.5', 'tinynet_c'), ('resnet', 'resnet50')])
def test_an_unknown_name_gets_a_suggestion(name, close):
    with pytest.raises(ValueError) as error:
        resolve(name)
    assert str(error.value).startswith(f"unknown model '{name.partition('@')[0]}'; did you mean {close}")
    assert all(known in str(error.value) for known in list_models())


@pytest.mark.parametrize('name', ['', '@r=1', 'vgg'])
def test_a_name_like_none_gets_the_list(name):
    with pytest.raises(ValueError, match='unknown model') as error:
        resolve(name)
    assert 'did you mean' not in str(error.value) and 'tinynet_e' in str(error.value)


@pytest.mark.parametrize('tail, message', [
    ('', "'' is not one of r=, d=, w=, resolution="), ('r', "'r' is not one of"), ('r0.5', "'r0.5' is not one of"),
    ('R=0.5', "'R=0.5' is not one of"), ('q=1', "'q=1' is not one of"), ('r=0.5,', "'' is not one of"),
    ('r=0.5;d=1', 'r=0.5;d=1 is not a number'), ('r=', 'r= is not a number'), ('w=wide', 'w=wide is not a number'),
    ('d=1,d=2', "'d=2' is not one of .* each once"),
    ('resolution=64.5', 'resolution=64.5 is not a whole number of pixels'),
    ('r=0.5,resolution=64', 'r and resolution both'), ('resolution=64,r=0.5', 'r and resolution both'),
    ('r=0', 'r=0.0: must be above 0 and at most 100'), ('d=-1', 'd=-1.0: must be above 0 and at most 100'),
    ('r=1e307', 'r=1e.307: must be above 0'), ('d=1e9', 'd=1000000000.0: must be above 0'),
    ('w=nan', 'w=nan: must be above 0 and at most 100'), ('w=inf', 'w=inf: must be above 0 and at most 100'),
    ('resolution=0', 'must be'), ('resolution=-8', 'must be'),
    ('resolution=4097', 'resolution=4097: must be a whole number of 1 to 4096'),
    ('r=0.001', '0 px .* 1 to 4096')])
def test_malformed_multipliers_are_named(tail, message):
    with pytest.raises(ValueError, match=message):
        resolve(f'tinynet_e@{tail}')


def test_importing_the_architecture_imports_no_framework(root):
    code = ('import sys; from tinynets import arch; arch.measure(arch.expand(arch.resolve("tinynet_e"))); '
            'print([m for m in ("mindspore", "numpy", "torch", "PIL") if m in sys.modules])')
    run = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, '[]', '')


@pytest.mark.parametrize('resolution', [64.5, True, 0, -3, '64'])
def test_a_resolution_is_a_whole_number(resolution):
    with pytest.raises(ValueError, match='resolution=.*must be a whole number of 1 to 4096'):
        resolve('tinynet_e', resolution=resolution)


def test_a_multiplier_given_as_an_argument_replaces_the_names():
    assert resolve('tinynet_e@d=0.5', r=0.5, w=2.0) == resolve('tinynet_e@r=0.5,d=0.5,w=2').__class__(
        **{**vars(resolve('tinynet_e@r=0.5,d=0.5,w=2')), 'name': 'tinynet_e@d=0.5'})
