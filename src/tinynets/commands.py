"""The commands, and what they are called: `train.py` in a clone, `tinynets train` where the package is installed."""
import re

COMMANDS = ('design', 'summary', 'train', 'eval', 'predict', 'export', 'quantize', 'compare_exports', 'compare_runs',
            'search', 'fit_formula', 'convert_weights', 'pack_dataset', 'quickstart', 'doctor', 'completion')
_SCRIPT = re.compile(rf'(?<![\w/.-])(?:python )?({"|".join(COMMANDS)})\.py\b')
_installed = False  # whether this process was started as `tinynets`


def started_as_tinynets() -> None:
    """Let `spoken` speak of `tinynets train` from now on."""
    global _installed
    _installed = True


def spoken(text: str) -> str:
    """A text for this process's user: `train.py` in it becomes `tinynets train` where they started that."""
    return _SCRIPT.sub(lambda found: f'tinynets {found[1].replace("_", "-")}', text) if _installed else text
