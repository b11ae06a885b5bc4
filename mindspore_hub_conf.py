"""The entry of MindSpore Hub: `create_network(name, ...)` builds a network of this package."""
from src.model import create_model


def create_network(name: str, *args, **kwargs):
    """A network by its name, for example 'tinynet_a'; arguments are those of `src.model.create_model`.

    Raises ValueError for a name that is none of `src.model.list_models()`.
    """
    return create_model(name, *args, **kwargs)
