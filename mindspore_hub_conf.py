"""The entry of MindSpore Hub: `create_network(name, ...)` builds a network of this package."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), 'src'))

from tinynets.model import create_model  # noqa: E402


def create_network(name: str, *args, **kwargs):
    """Return a network by its name, for example 'tinynet_a'; the arguments go to `tinynets.model.create_model`.

    Raises ValueError for a name that is not in `tinynets.model.list_models()`.
    """
    return create_model(name, *args, **kwargs)
