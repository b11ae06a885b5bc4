"""The command line, one module per command: `tinynets train ...`, in a clone also `python train.py ...`.

A module has `arguments`, which adds its options to a parser, and `main`, which does the work. The first sentence of its
docstring is its help. A module whose output is only a log also has `log`.
"""
from __future__ import annotations

from tinynets import early  # noqa: F401 - before slow imports

# isort: split
import argparse
import importlib
import os
import sys
from typing import List, NoReturn, Optional

from tinynets import __version__
from tinynets.arguments import check_filled, check_named
from tinynets.commands import COMMANDS, spoken, started_as_tinynets
from tinynets.runtime import run_entry
from tinynets.text import LINE, shorten

os.environ.setdefault('GLOG_v', '3')  # before MindSpore is imported: errors only, its warnings are for its developers


class Parser(argparse.ArgumentParser):
    """A parser whose help names the commands in the way they were started, and whose errors are short."""

    def error(self, message: str) -> NoReturn:
        super().error(shorten(message, LINE))

    def format_help(self) -> str:
        return spoken(super().format_help())


def script(name: str) -> None:
    """Run a command for the script of the same name, with the arguments of this process, and exit."""
    module, arguments = _module(name), sys.argv[1:]

    def work() -> Optional[int]:
        check_named(f'{name}.py', arguments)
        check_filled(arguments)
        parser = Parser(description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        module.arguments(parser)
        return module.main(parser.parse_args(arguments))
    run_entry(work, log=hasattr(module, 'log') and module.log(arguments))


def main() -> None:
    """Run `tinynets COMMAND ...` and exit."""
    started_as_tinynets()
    name = sys.argv[1].replace('-', '_') if len(sys.argv) > 1 else ''
    if name in COMMANDS:
        sys.argv[:2] = [f'{os.path.basename(sys.argv[0])} {sys.argv[1]}']
        script(name)
    run_entry(lambda: _help(sys.argv[1:]))


def whole_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands, for their list and for completion in a shell."""
    parser = Parser('tinynets', description='TinyNets for MindSpore: small vision networks from a '
                                     'budget, trained, checked and exported.')
    parser.add_argument('--version', action='version', version=f'tinynets {__version__}')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for name in COMMANDS:
        module = _module(name)
        line = module.__doc__.split('\n')[0].split(': `')[0].rstrip('.')
        module.arguments(commands.add_parser(name.replace('_', '-'), help=line.replace('%', '%%'), description=line))
    return parser


def _module(name: str):
    return importlib.import_module(f'tinynets.cli.{name}')


def _help(arguments: List[str]) -> None:
    whole_parser().parse_args(arguments or ['--help'])
