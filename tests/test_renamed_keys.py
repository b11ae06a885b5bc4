"""Keys by their names of earlier releases: accepted everywhere, with a warning only in what a user writes."""
import shutil

import pytest
import yaml

from tinynets.config import Config, from_dict, load_config, to_dict, to_yaml
from tinynets.model import checkpoint
from tinynets.settings import renamed, settings
from tinynets.study.config import StudyConfig, StudySection, check_same, flat
from tinynets.study.store import Store
from tinynets.study.trial import study_config
from tinynets.text import say_once

NAMES = {'data.deviation': 'data.std', 'augment.layers': 'augment.num_ops',
         'augment.magnitude_deviation': 'augment.magnitude_std'}
VALUES = {'data.std': [0.5, 0.25, 0.125], 'augment.num_ops': 3, 'augment.magnitude_std': 0.75}
SET = [f'{key}={value}' for key, value in VALUES.items()]
FACTS = {'base': 'efficientnet_b0', 'images': 10, 'chance': 10.0}


@pytest.fixture(autouse=True)
def nothing_said_before():
    say_once.cache_clear()


def earlier(tree):
    """Return the sections with the names of earlier releases."""
    names = {new: old.partition('.')[2] for old, new in NAMES.items()}
    return {section: {names.get(f'{section}.{key}', key): value for key, value in keys.items()}
            for section, keys in tree.items()}


def warnings(capfd):
    return [line for line in capfd.readouterr().err.splitlines() if 'is now' in line]


def test_these_keys_were_renamed_and_no_name_is_used_twice():
    assert renamed(StudyConfig) == renamed(Config) == NAMES
    assert not {*NAMES} & {key.name for key in settings(StudyConfig)}


def test_a_file_with_old_names_is_read_with_one_warning_per_key(tmp_path, capfd):
    path = tmp_path / 'old.yaml'
    path.write_text(yaml.safe_dump(earlier(to_dict(load_config(None, SET)))))
    for _ in range(2):
        assert load_config(str(path)) == load_config(None, SET)
    assert warnings(capfd) == [f'warning: `{old}` is now `{new}`; the earlier name still works'
                               for old, new in NAMES.items()]


@pytest.mark.parametrize('below, top', [('deviation', 'std'), ('std', 'deviation'), ('deviation', 'deviation')])
def test_a_file_replaces_the_key_of_its_base_by_either_name(below, top, tmp_path):
    (tmp_path / 'below.yaml').write_text(f'data: {{{below}: [0.1, 0.1, 0.1], batch_size: 3}}')
    (tmp_path / 'top.yaml').write_text(f'base: below.yaml\ndata: {{{top}: [0.2, 0.2, 0.2]}}')
    data = load_config(str(tmp_path / 'top.yaml')).data
    assert (data.std, data.batch_size) == ((0.2, 0.2, 0.2), 3)


def test_an_override_by_the_old_name_warns_and_the_last_one_wins(capfd):
    config = load_config(None, ['augment.layers=2', 'augment.num_ops=4', ' augment.layers = 5'])
    assert config.augment.num_ops == 5
    assert warnings(capfd) == ['warning: `augment.layers` is now `augment.num_ops`; the earlier name still works']
    with pytest.raises(ValueError, match='^--set: augment.num_ops=16 must be 0 to 15'):
        load_config(None, ['augment.layers=16'])


@pytest.mark.parametrize('old', NAMES)
def test_a_file_with_both_names_of_a_key_is_refused(old, tmp_path):
    new, path = NAMES[old], tmp_path / 'both.yaml'
    section, name = new.split('.')
    tree = {section: {old.partition('.')[2]: VALUES[new], name: VALUES[new]}}
    path.write_text(yaml.safe_dump(tree))
    said = f'{old} is the earlier name of {new}; give only {new}'
    for read in (lambda: load_config(str(path)), lambda: load_config(str(path), kind=StudyConfig)):
        with pytest.raises(ValueError) as caught:
            read()
        assert str(caught.value) == f'{path}: {said}'
    with pytest.raises(ValueError) as caught:
        from_dict(tree, 'x.ckpt')
    assert str(caught.value) == f'x.ckpt: {said}'


@pytest.mark.parametrize('text', ['data: 3', 'data:', 'data: [deviation]', '- data', 'deviation: 3'])
def test_old_names_elsewhere_are_the_mistakes_they_were(text, tmp_path):
    path = tmp_path / 'x.yaml'
    path.write_text(text)
    if text == 'data:':
        assert load_config(str(path)) == Config()
    else:
        with pytest.raises(ValueError, match=f'^{path}: '):
            load_config(str(path))


def of_an_earlier_release(trained, folder):
    """Make a copy of a run folder with an earlier release's names; return its config.yaml."""
    shutil.copytree(trained, folder)
    path = folder / 'config.yaml'
    path.write_text(yaml.safe_dump(earlier(yaml.safe_load(path.read_text()))))
    for name in ('last.ckpt', 'best.ckpt'):
        saved = checkpoint.load(str(folder / name))
        checkpoint.save(str(folder / name), saved.arrays, {**saved.meta, 'config': earlier(saved.meta['config'])})
    return path


def test_an_old_run_folder_resumes_and_evaluates_without_a_warning(trained, entry, tmp_path):
    path = of_an_earlier_release(trained, tmp_path / 'run')
    assert 'deviation' in path.read_text() and 'std' not in path.read_text()
    for command in ('train.py', '--resume'), ('eval.py', '--checkpoint'):
        done = entry(*command, tmp_path / 'run' / ('best.ckpt' if command[1] == '--checkpoint' else ''))
        assert done.returncode == 0 and 'is now' not in done.stdout + done.stderr, done.stderr
    path.write_text(path.read_text().replace('0.229', '0.5'))
    done = entry('train.py', '--resume', tmp_path / 'run')
    assert done.returncode == 2 and 'data.std was [0.229, 0.224, 0.225] and is [0.5, 0.224, 0.225] now' in done.stderr


def test_an_old_study_continues_and_a_change_of_a_renamed_key_is_seen(tmp_path, capfd):
    config = StudyConfig(study=StudySection(trials=1), data=load_config(None, SET).data)
    names = {new: old for old, new in NAMES.items()}
    store = Store(str(tmp_path))
    store.start({names.get(key, key): value for key, value in flat(config).items()}, FACTS, [], check_same)
    assert study_config(store) == config
    other = flat(StudyConfig(study=StudySection(trials=1)))
    with pytest.raises(ValueError, match=r'was started with data.std=\[0.5, 0.25, 0.125\] and would continue with'):
        store.start(other, FACTS, [], check_same)
    store.start(flat(config), FACTS, [], check_same)
    assert store.config() == flat(config) and study_config(store) == config and not warnings(capfd)


def test_what_is_written_has_the_present_names(tmp_path):
    text = to_yaml(load_config(None, SET))
    assert 'std' in text and 'num_ops' in text and 'deviation' not in text and 'layers' not in text
