"""The entry of MindSpore Hub: `create_network(name, ...)` builds a network of this package."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / 'src'))

from tinynets.model import create_model  # noqa: E402


def create_network(name: str, *args, **kwargs):
    """A network by its name, for example 'tinynet_a'; arguments are those of `tinynets.model.create_model`.

    Raises ValueError for a name that is none of `tinynets.model.list_models()`.
    """
    return create_model(name, *args, **kwargs)
