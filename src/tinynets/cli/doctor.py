"""Print what works on this machine, and the commands that fix the rest: `python -m tinynets doctor`."""
import argparse

from tinynets.runtime import printable


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def main(args: argparse.Namespace) -> None:
    import os
    os.environ.setdefault('GLOG_v', '3')  # MindSpore's own warnings would be printed between the rows
    from tinynets.doctor import examine, table
    print('\n'.join(map(printable, table(examine()).split('\n'))))
