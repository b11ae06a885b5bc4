"""Reading JSON and YAML from untrusted files, with limits on size, depth and the expansion of aliases."""
from __future__ import annotations

import json
import math
import re
from typing import Any, Callable, Dict

import yaml

from tinynets.files import decode_text
from tinynets.text import shorten, shown

MAX_JSON = 1 << 24  # bytes of a file
MAX_YAML = 1 << 17  # a recipe has 4 kB; PyYAML reads about 50 kB per second
MAX_DEPTH = 64
MAX_SCALAR = 4096  # characters, the longest path
MAX_NODES = 20_000  # of YAML; the nodes of an alias count once per use


def read_json(path, limit: int = MAX_JSON) -> Any:
    """Return the content of a JSON file. Raises OSError, and ValueError that names the file for other content."""
    return _read(path, limit, 'JSON', lambda text: parse_json(text, strict=True))


def parse_json(text: str, strict: bool = False) -> Any:
    """Return the content of a JSON text. Raises ValueError if it is not JSON or nested too deep.

    `strict` refuses what only Python's reader accepts: NaN, Infinity, whole numbers of 310 digits, half of a surrogate
    pair.
    """
    try:
        tree = json.loads(text, **(_STRICT if strict else {}))
    except RecursionError:
        raise ValueError(f'not valid JSON (nested more than {MAX_DEPTH} deep)') from None
    except ValueError as error:
        raise ValueError(f'not valid JSON ({shorten(str(error))})') from None
    level = [[tree]]
    for _ in range(MAX_DEPTH + 1):
        level = [child for node in level for child in (node.values() if isinstance(node, dict) else node)
                 if isinstance(child, (dict, list))]
    if level:
        raise ValueError(f'not valid JSON (nested more than {MAX_DEPTH} deep)')
    try:
        if strict:
            json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError('not valid JSON (half of a surrogate pair is no character)') from None
    return tree


def _finite(text: str) -> float:
    """Return a number of JSON. Raises ValueError for NaN, Infinity and too large numbers, as other readers do."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f'the number {shorten(text)} is not finite')
    return value


def _whole(text: str) -> int:
    """Return a whole number of JSON. Raises ValueError if it is too large for a float, which other readers take."""
    _finite(text)
    return int(text)


_STRICT = {'parse_float': _finite, 'parse_constant': _finite, 'parse_int': _whole}


def read_yaml(path) -> Any:
    """Return the content of a YAML file. Raises OSError, and ValueError that names the file for other content."""
    return _read(path, MAX_YAML, 'YAML', parse_yaml)


def parse_yaml(text: str) -> Any:
    """Return the content of a YAML text; a repeated key is an error.

    Raises ValueError if it is not YAML, nested too deep, or its aliases expand too much.
    """
    try:
        return yaml.load(text, _Loader)
    except RecursionError:
        reason = f'nested more than {MAX_DEPTH} deep'
    except (yaml.YAMLError, ValueError) as error:
        reason = ' '.join(str(error).replace('in "<unicode string>", ', '').split())
    raise ValueError(f'not valid YAML ({shorten(reason, 200)})')


def _read(path, limit: int, kind: str, parse: Callable[[str], Any]) -> Any:
    with open(path, 'rb') as file:
        data = file.read(limit + 1)
    try:
        if len(data) > limit:
            raise ValueError(f'larger than {limit:,} bytes, the most that a {kind} file of this package may have')
        try:
            text = decode_text(data)
        except ValueError as error:
            raise ValueError(f'not valid {kind} ({error})') from None
        return parse(text)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


class _Loader(yaml.SafeLoader):
    """A loader whose only booleans are true and false, and whose numbers are decimal.

    YAML 1.1's yes, no, on and off stay text, which the configuration converts for keys of type true or false; so do
    010, which would be 8, and 1:30, which would be 90.
    """

    yaml_implicit_resolvers = {first: [(tag, form) for tag, form in forms
                                       if tag.rpartition(':')[2] not in ('bool', 'int', 'float')]
                               for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()}
    depth = 0

    def compose_node(self, parent, index):
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(f'nested more than {MAX_DEPTH} deep')
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def get_single_node(self):
        node = super().get_single_node()
        if node is not None and _size(node, {}) > MAX_NODES:
            raise yaml.YAMLError(f'its aliases multiply to more than {MAX_NODES:,} values')
        return node

    def construct_object(self, node, deep=False):
        if isinstance(node, yaml.ScalarNode) and len(node.value) > MAX_SCALAR:
            raise yaml.YAMLError(f'line {node.start_mark.line + 1}: a value of {len(node.value):,} characters')
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):  # PyYAML's own for !!int ""
            kind, value = node.tag.rpartition(':')[2], shown(node.value) if isinstance(node, yaml.ScalarNode) else 'it'
            raise yaml.YAMLError(f'line {node.start_mark.line + 1}: {value} is not of type {kind}') from None

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key_node.tag == 'tag:yaml.org,2002:merge':
                continue  # its keys may be replaced
            key = self.construct_object(key_node, deep=True)
            try:
                twice = key in seen
                seen.add(key)
            except TypeError:
                raise yaml.YAMLError(f'the key {shown(key)} is neither text nor a number') from None
            if twice:
                raise yaml.YAMLError(f'the key {shown(key)} is given twice')
        return super().construct_mapping(node, deep)


for _kind, _form, _first in (
        ('bool', '(?:true|True|TRUE|false|False|FALSE)$', 'tTfF'),
        ('int', '[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F]+)$', '-+0123456789'),
        ('float', r'[-+]?(?:(?:[0-9][0-9_]*)\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?$'
                  r'|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$', '-+0123456789.')):
    _Loader.add_implicit_resolver(f'tag:yaml.org,2002:{_kind}', re.compile(_form), _first)


def _size(node: yaml.Node, known: Dict[int, int]) -> int:
    """Return the number of nodes in a tree, with an alias counted each time. Raises YAMLError for a cycle."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = -1
        children = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_size(child, known) for child in children)
    if known[id(node)] < 0:
        raise yaml.YAMLError('an alias contains itself')
    return known[id(node)]
