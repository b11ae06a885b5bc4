"""The C++ program's SHA-256 against Python's, of files of every length around the ends of blocks and of its buffer."""
import hashlib
import shutil
import subprocess

import numpy as np
import pytest

from tests.conftest import ROOT

MAIN = '''
#include <iostream>
#include "sha256.h"
int main(int count, char **paths) {
  for (int i = 1; i < count; i++) std::cout << tinynets::FileHash(paths[i]) << "\\n";
}
'''


def test_hashes_are_pythons(tmp_path):
    if not shutil.which('c++'):
        pytest.skip('no c++')
    (tmp_path / 'main.cc').write_text(MAIN)
    edge = ROOT / 'ascend310_infer'
    subprocess.run(['c++', '-std=c++17', '-O1', '-I', edge / 'inc', tmp_path / 'main.cc', edge / 'src' / 'sha256.cc',
                    '-o', tmp_path / 'hash'], check=True)
    rng, paths, wanted = np.random.default_rng(0), [], []
    buffer = 2 ** 20
    for length in (*range(130), *range(buffer - 66, buffer + 3), 2 * buffer, 2 * buffer + 56):
        data = rng.bytes(length)
        paths.append(tmp_path / str(length))
        paths[-1].write_bytes(data)
        wanted.append(hashlib.sha256(data).hexdigest())
    done = subprocess.run([tmp_path / 'hash', *paths], capture_output=True, text=True, check=True)
    assert done.stdout.split() == wanted
