"""Calling the C++ program of ascend310_infer/ by its script, which builds it and converts the model if necessary."""
from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from typing import Sequence

from tinynets.files import workplace
from tinynets.shipped import CLONE

PROGRAM = None if CLONE is None else CLONE / 'scripts' / 'run_infer_310.sh'


def run(model: str, files: Sequence[str], *options: str, device: str = 'cpu') -> dict:
    """Return the program's JSON for image files, with logits, one result per image in their order.

    A file that it cannot use has 'failure', the reason, instead of classes and logits. Raises OSError with the
    program's line if it is missing or fails.
    """
    if PROGRAM is None:
        raise OSError('the C++ program is built from a clone of the repository, by ascend310_infer/build.sh there')
    with workplace() as folder:
        listed, out = os.path.join(folder, 'images.txt'), os.path.join(folder, 'out.json')
        with open(listed, 'wb') as file:
            for i, name in enumerate(files):
                path = os.path.abspath(name)
                if '\n' in path or '\r' in path:  # a line of a list cannot hold it
                    link = os.path.join(folder, f'{i}{os.path.splitext(path)[1]}')
                    os.symlink(path, link)
                    path = link
                file.write(os.fsencode(path) + b'\n')
        package = importlib.util.find_spec('mindspore')  # has the JSON header for a build
        places = package.submodule_search_locations if package else None
        headers = os.path.join(places[0], 'include', 'third_party') if places else ''
        done = subprocess.run(['bash', str(PROGRAM), model, listed, device, '--logits', '--output', out, *options],
                              env={'CMAKE_INCLUDE_PATH': headers, **os.environ}, capture_output=True, encoding='utf-8',
                              errors='replace')
        if done.returncode not in (0, 1):
            lines = done.stderr.strip().splitlines() or ['no output']
            raise OSError(lines[-1].removeprefix('error: '))
        with open(out, encoding='utf-8') as file:
            answer = json.load(file)
    for result, name in zip(answer['results'], files):
        result['image'] = name  # the given one, as JSON cannot hold bytes that are not UTF-8
    return answer
