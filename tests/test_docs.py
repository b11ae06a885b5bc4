"""What the pages under docs/ say against the code and the files it is said of."""
import csv
import re

import numpy as np
import pytest

from src.arch.zoo import VARIANTS
from src.config import load_config
from src.data import presets
from src.study.config import load_study


class Labelled:
    """A data set of Fashion-MNIST's size, of which only the labels matter."""
    class_names = tuple('0123456789')

    def __init__(self, count):
        self.labels = np.random.default_rng(1).permutation(np.arange(count) % 10).astype(np.int32)

    def __len__(self):
        return len(self.labels)


@pytest.mark.parametrize('base, page, trained, of_training, of_scoring', [
    ('efficientnet_b0', 'README.md', 10_000, 5_000, 5_000), ('ghostnet', 'other_bases.md', 6_000, 1_000, 5_000)])
def test_which_images_the_rules_share_with_the_study(root, monkeypatch, base, page, trained, of_training, of_scoring):
    whole = Labelled(60_000)
    monkeypatch.setattr(presets, 'load_dataset', lambda *_, **__: whole)
    study = load_study(str(root / f'configs/study/{base}_fashion_mnist.yaml'), []).data
    rules = load_study(str(root / f'configs/study/{base}_fashion_mnist_rules.yaml'), []).data
    drawn, scored = (set(presets.dataset(study, split).indices) for split in ('train', 'val'))
    again = set(presets.dataset(rules, 'train').indices)
    assert len(drawn) == len(again) == trained
    assert (len(again & drawn), len(again & scored)) == (of_training, of_scoring)
    assert rules.holdout == 0  # scored on the test set
    text = (root / 'docs/studies' / page).read_text()
    assert f'{trained:,} training images' in text and f'{of_scoring:,} images that the study' in text.replace('\n', ' ')
    assert re.search(f'{of_training:,} of (those|the {trained:,} that) it trained on', text.replace('\n', ' '))


def test_which_weights_timm_lacks(root):
    lines = (root / 'tests/golden/timm_imagenet.csv').read_text().splitlines()
    there = {row[0] for row in csv.reader(line for line in lines if not line.startswith('#'))}
    text = (root / 'docs/finetune.md').read_text()
    named = re.search(r'all of them but (.*?) \(its', text, re.DOTALL)[1]
    lacking = set(VARIANTS) - there
    assert lacking == {'mobilenetv3_large_075', *(f'efficientnet_b-{i}' for i in (1, 2, 3, 4))}
    assert re.findall(r'`([^`]+)`', named) == ['efficientnet_b-1', '-4', 'mobilenetv3_large_075']


def test_every_link_leads_somewhere(root):
    for page in [root / 'README.md', *(root / 'docs').rglob('*.md')]:
        for target, _, _ in re.findall(r'\]\(((?!http)[^)#]*)(#([^)]*))?\)', page.read_text()):
            path = page.parent / target if target else page
            assert path.exists(), (page, target)


@pytest.mark.parametrize('path', ['configs', 'configs/imagenet'])
def test_every_configuration_loads(root, path):
    for file in sorted((root / path).glob('*.yaml')):
        assert load_config(str(file)), file
