"""The order of the layers (docs/architecture.md): each part imports those above it, lazy imports too, and no other."""
import ast
import sys

LAYERS = (  # from top to bottom; parts in one row do not import each other
    ('early', 'text', 'commands', 'shipped'),
    ('files', 'cache', 'arguments'),
    ('parsing', 'output', 'stopping', 'settings'),
    ('config', 'pictures', 'preprocessing', 'launch'),
    ('arch',),
    ('native',),
    ('runtime',),
    ('workers',),
    ('formula',),
    ('model',),
    ('data',),
    ('tasks',),
    ('training',),
    ('deploy',),
    ('study',),
    ('quickstart', 'doctor'),
    ('cli',),
)
RANK = {part: rank for rank, row in enumerate(LAYERS) for part in row}


def part_of(package, path):
    inside = path.relative_to(package)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imported(package, tree):
    """Yield the parts that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'relative imports hide where a name comes from'
            if node.module == 'tinynets':
                yield from (alias.name for alias in node.names if alias.name != '__version__')
            elif (node.module or '').startswith('tinynets.'):
                yield node.module.split('.')[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split('.')[1] for alias in node.names if alias.name.startswith('tinynets.'))


def test_every_part_imports_only_those_above_it(root):
    package, seen = root / 'src' / 'tinynets', set()
    for path in package.rglob('*.py'):
        part = part_of(package, path)
        if part in ('__init__', '__main__'):
            continue
        seen.add(part)
        below = {other for other in imported(package, ast.parse(path.read_text()))
                 if other != part and RANK[other] >= RANK[part]}
        assert not below, f'{path.relative_to(root)} imports {below}, which stand beside or below it'
    assert seen == set(RANK)


def test_parts_without_the_framework_do_not_import_it(root):
    """arch needs only the standard library, formula no MindSpore, and some parts no training code."""
    heavy = {'arch': {'mindspore', 'numpy'}, 'formula': {'mindspore'}, 'config': {'mindspore', 'numpy'}}
    package = root / 'src' / 'tinynets'
    for part, forbidden in heavy.items():
        for path in [package / f'{part}.py'] if (package / f'{part}.py').exists() else (package / part).rglob('*.py'):
            names = {alias.name.split('.')[0] for node in ast.walk(ast.parse(path.read_text()))
                     if isinstance(node, ast.Import) for alias in node.names}
            names |= {(node.module or '').split('.')[0] for node in ast.walk(ast.parse(path.read_text()))
                      if isinstance(node, ast.ImportFrom)}
            assert not names & forbidden, path
            if part == 'arch':
                assert names <= {'tinynets', *sys.stdlib_module_names}, path


def test_the_page_lists_the_same_layers(root):
    page = (root / 'docs' / 'architecture.md').read_text()
    places = [page.index(f'`{part}') for row in LAYERS for part in row]
    assert places == sorted(places)
