"""A trial's record of its training: the last score, and its flags."""
import subprocess
import sys

from tests.conftest import ROOT
from tinynets.study.config import flat, load_study
from tinynets.study.store import Store

CONFIG = ROOT / 'configs' / 'study' / 'digits.yaml'
CHANCE = 40.0  # percent; a twentieth of the way from there to 100 is 43
SEEDS = range(6)

# A trial whose training is replaced by a table: the best and the last score of each seed.
TRIALS = '''
import sys, types
from tinynets.runtime import configure
configure('CPU')
import tinynets.training.loop as loop
LAST = {0: 42.9, 1: 43.1, 2: 99.0, 3: 12.0, 5: 43.0}
def train(config, device, path, **options):
    seed = config.train.seed
    if seed == 4:
        raise loop.Diverged('the loss is nan at step 7 of 9')
    return types.SimpleNamespace(last={'top1': LAST[seed], 'top5': LAST[seed] + 0.5, 'loss': 0.25},
                                 best={'top1': 99.5, 'top5': 99.75, 'loss': 0.125})
loop.train = train
from tinynets.study import trial
for _ in range(6):
    assert trial.main(sys.argv[1], 1, 0) == 0
assert trial.main(sys.argv[1], 1, 0) == trial.NOTHING_TO_DO
'''


def test_the_last_score_counts_and_chance_and_divergence_are_flagged(tmp_path):
    config = load_study(str(CONFIG), ['study.trials=0', 'study.networks=["efficientnet_b0@resolution=16,d=0.1,w=0.1"]'])
    row = {'name': 'efficientnet_b0@resolution=16,d=0.1,w=0.1', 'label': 'given', 'r': 0.5, 'd': 0.1, 'w': 0.1,
           'resolution': 16, 'macs': 1, 'params': 1, 'peak_memory': 1}
    store = Store(str(tmp_path / 'study'))
    store.start(flat(config), {'base': 'efficientnet_b0', 'base_resolution': 32, 'num_classes': 10, 'images': 1.0,
                               'chance': CHANCE}, [{**row, 'seed': seed} for seed in SEEDS], lambda *_: None)
    done = subprocess.run([sys.executable, '-c', TRIALS, str(tmp_path / 'study')], cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr + ''.join(p.read_text() for p in tmp_path.rglob('log.txt'))
    trials = {t['seed']: t for t in store.trials()}
    assert {seed: (t['status'], t['flag'], t['top1']) for seed, t in trials.items()} == {
        0: ('done', 'chance', 42.9), 1: ('done', '', 43.1), 2: ('done', '', 99.0), 3: ('done', 'chance', 12.0),
        4: ('done', 'diverged', None), 5: ('done', 'chance', 43.0)}
    assert (trials[1]['top5'], trials[1]['loss']) == (43.6, 0.25) and 'nan at step 7' in trials[4]['reason']


def test_chance_is_the_share_of_the_most_frequent_class():
    import numpy as np

    from tinynets.data.embedded import digits
    from tinynets.study.run import plan
    counts = np.bincount(digits('val')[1])
    planned = plan(load_study(str(CONFIG), ['study.trials=1', 'data.holdout=0']))
    assert planned.chance == 100 * counts.max() / counts.sum() and planned.facts()['chance'] == planned.chance
    assert planned.val_images == 360
