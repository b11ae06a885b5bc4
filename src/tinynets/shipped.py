"""Files that come with the package, the recipes, and files that only a clone of the repository has."""
import pathlib
from typing import Optional

PACKAGE = pathlib.Path(__file__).resolve().parent
CLONE: Optional[pathlib.Path] = PACKAGE.parents[1] if (PACKAGE.parents[1] / 'train.py').is_file() else None
RECIPES = (CLONE or PACKAGE) / 'configs'


def recipe(path) -> pathlib.Path:
    """Return the path of a configuration: the user's file, or if there is none, the package's `configs/...`."""
    path = pathlib.Path(path)
    own = RECIPES.parent / path
    return own if not path.exists() and path.parts[:1] == ('configs',) and own.is_file() else path
