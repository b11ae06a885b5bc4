"""Files that come with the package: the recipes, and what only a clone of the repository has."""
import pathlib
from typing import Optional

PACKAGE = pathlib.Path(__file__).resolve().parent
CLONE: Optional[pathlib.Path] = PACKAGE.parents[1] if (PACKAGE.parents[1] / 'train.py').is_file() else None
RECIPES = (CLONE or PACKAGE) / 'configs'


def recipe(path) -> pathlib.Path:
    """The file of a configuration: the user's, or where there is none by that name, `configs/...` of the package."""
    path = pathlib.Path(path)
    own = RECIPES.parent / path
    return own if not path.exists() and path.parts[:1] == ('configs',) and own.is_file() else path
