"""An export to a device or pipe has one table."""
import csv
import os
import subprocess
import sys
import threading

import pytest

from tests.conftest import ROOT
from tinynets.study.config import check_same, flat, load_study
from tinynets.study.run import plan
from tinynets.study.store import Store

CONFIG = str(ROOT / 'configs' / 'study' / 'digits.yaml')
NAMES = ['efficientnet_b0@resolution=16,d=0.5,w=0.5', 'tinynet_e@resolution=24']


@pytest.fixture
def command(tmp_path):
    names = str(NAMES).replace("'", '"')
    planned = plan(load_study(CONFIG, ['study.trials=0', f'study.networks={names}']))
    store = Store(str(tmp_path / 'study'))
    store.start(flat(planned.config), planned.facts(), planned.rows(), check_same)
    for trial in store.trials():
        store.finish(trial['id'], 1.0, top1=50.0)
    return [sys.executable, str(ROOT / 'search.py'), 'export', '--config', CONFIG, '--study', str(store.folder),
            '--out']


def names(text):
    return [row['name'] for row in csv.DictReader(text.splitlines())]


def test_standard_output_gets_the_networks_alone(command):
    done = subprocess.run([*command, '/dev/stdout'], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and names(done.stdout) == NAMES, done.stderr
    assert done.stderr.strip() == '2 networks in /dev/stdout, no file of each training, as /dev/stdout is not a file'
    assert not os.path.exists('/dev/stdout.seeds')


def test_a_pipe_gets_the_networks_alone(command, tmp_path):
    os.mkfifo(tmp_path / 'pipe.csv')
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / 'pipe.csv').read_text()), daemon=True)
    reader.start()
    done = subprocess.run([*command, str(tmp_path / 'pipe.csv')], capture_output=True, text=True, timeout=100)
    reader.join(10)
    assert done.returncode == 0 and names(read[0]) == NAMES and 'is not a file' in done.stderr, done.stderr
    assert sorted(os.listdir(tmp_path)) == ['pipe.csv', 'study']
