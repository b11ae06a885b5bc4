"""With this folder in PYTHONPATH every Python process knows the tests' base network."""
from tests import two_blocks  # noqa: F401
