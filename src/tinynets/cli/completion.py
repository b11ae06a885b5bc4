"""Print the completion of commands and options for a shell.

    tinynets completion bash > ~/.local/share/bash-completion/completions/tinynets
"""
import argparse

SHELLS = ('bash', 'zsh', 'tcsh')


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('shell', choices=SHELLS, help='the shell to print it for')


def main(args: argparse.Namespace) -> None:
    import shtab

    from tinynets.cli import whole_parser
    print(shtab.complete(whole_parser(), args.shell))
