"""Shared fixtures. MindSpore is imported only by the tests that need it."""
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope='session')
def root():
    """The repository's root folder."""
    return ROOT
