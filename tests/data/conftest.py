"""Fixtures of the data tests."""
import pytest

from tinynets import cache

LIBRARIES = str(cache.folders()[0])  # compiled once, not once per test


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory, monkeypatch):
    """An empty cache folder for each test."""
    folder = tmp_path_factory.mktemp('cache')
    monkeypatch.setenv('TINYNETS_CACHE', LIBRARIES)
    monkeypatch.setenv('XDG_CACHE_HOME', str(folder))
    return folder
