"""The commands and their names: `train.py` in a clone, `tinynets train` in an installed package."""
import re

COMMANDS = ('design', 'summary', 'train', 'eval', 'predict', 'export', 'quantize', 'compare_exports', 'compare_runs',
            'search', 'fit_formula', 'convert_weights', 'pack_dataset', 'quickstart', 'doctor', 'completion')
MODELS = ('.ckpt', '.mindir', '.onnx', '.safetensors', '.pth')  # endings of files that hold a network
_SCRIPT = re.compile(rf'(?<![\w/.-])(?:python )?({"|".join(COMMANDS)})\.py\b')
_installed = False  # whether this process was started as `tinynets`


def started_as_tinynets() -> None:
    """Make `spoken` use `tinynets train` from now on."""
    global _installed
    _installed = True


def spoken(text: str) -> str:
    """Return a text with `train.py` replaced by `tinynets train` if the process was started as `tinynets`."""
    return _SCRIPT.sub(lambda found: f'tinynets {found[1].replace("_", "-")}', text) if _installed else text
