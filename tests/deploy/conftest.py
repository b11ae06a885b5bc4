"""The edge programs, built once for all tests."""
import importlib.util
import os
import subprocess

import pytest

from tests.conftest import ROOT

SDK = os.environ.get('MINDSPORE_LITE_HOME') or ROOT / 'data' / 'mindspore-lite'
needs_sdk = pytest.mark.skipif(not os.path.isdir(SDK), reason='no MindSpore Lite: bash scripts/get_mindspore_lite.sh')


def json_reader():
    """CMake's argument with the header's place in MindSpore's package."""
    return f"-DJSON_INCLUDE={importlib.util.find_spec('mindspore').submodule_search_locations[0]}/include/third_party"


def skip_where_unbuildable(made):
    """Skip if a build lacked the tools or libraries it needs."""
    if any(word in made.stderr for word in ('no cmake', 'CMAKE_CXX_COMPILER', 'CMAKE_MAKE_PROGRAM', 'Could NOT find',
                                            'protozero/pbf_reader.hpp not found')):
        pytest.skip(made.stderr.splitlines()[-1])


def build_programs(folder, sdk):
    """Build the edge programs into a folder: all of them if there is an SDK."""
    environment = {**os.environ, 'BUILD': str(folder), 'MINDSPORE_LITE_HOME': str(sdk) if os.path.isdir(sdk) else ''}
    made = subprocess.run(['bash', ROOT / 'ascend310_infer/build.sh', json_reader()], env=environment,
                          capture_output=True, text=True)
    skip_where_unbuildable(made)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


@pytest.fixture(scope='session')
def build(once):
    """The folder of the built programs, which no test changes."""
    return once('edge', lambda folder: build_programs(folder, SDK))
