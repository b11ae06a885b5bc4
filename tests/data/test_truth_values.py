"""Keys of text may be off, on, yes or no as text; keys of true or false accept these words as well."""
import os

import pytest

from tinynets.config import load_config, to_yaml


@pytest.mark.parametrize('word, want', [('off', False), ('on', True), ('yes', True), ('no', False), ('Off', False),
                                        ('true', True), ('False', False), ('NO', False)])
def test_words_for_a_truth_value(word, want, tmp_path):
    (tmp_path / 'c.yaml').write_text(f'data: {{strict: {word}}}\n')
    assert load_config(str(tmp_path / 'c.yaml')).data.strict is want
    assert load_config(None, [f'data.strict={word}']).data.strict is want


@pytest.mark.parametrize('text', ['off', "'off'", 'memory', 'auto'])
def test_the_cache_may_be_off(text, tmp_path):
    (tmp_path / 'c.yaml').write_text(f'data: {{cache: {text}}}\n')
    for config in (load_config(str(tmp_path / 'c.yaml')), load_config(None, [f'data.cache={text}'])):
        assert config.data.cache == text.strip("'")
        (tmp_path / 'again.yaml').write_text(to_yaml(config))
        assert load_config(str(tmp_path / 'again.yaml')) == config


@pytest.mark.parametrize('item', ['data.strict=maybe', 'data.cache=no', 'data.cache=false', 'data.strict=1',
                                  'data.strict=y'])
def test_other_words_are_errors(item):
    with pytest.raises(ValueError, match='--set: data'):
        load_config(None, [item])


def test_a_folder_may_be_called_no():
    assert load_config(None, ['data.dir=no']).data.dir == os.path.abspath('no')
    assert load_config(None, ['data.flip=1']).data.flip == 1.0
