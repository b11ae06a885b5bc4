"""The main job end to end on the embedded digits: train, evaluate, export, check, classify; called by quickstart.sh."""
import argparse
import os

from tinynets.files import user_path
from tinynets.runtime import configure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--config', default='configs/tinynet_e_digits.yaml', type=user_path, metavar='FILE')
    parser.add_argument('--set', metavar='KEY=VALUE', action='append', default=[], dest='overrides')
    parser.add_argument('--run', default='runs/quickstart', type=user_path, metavar='DIR',
                        help='an interrupted one there is continued')


def log(argv: list) -> bool:
    """Whether what is printed is a log only: the results are files (runtime.run_entry)."""
    return True


def main(args: argparse.Namespace) -> None:
    from tinynets.config import load_config
    config = load_config(args.config, args.overrides)
    resume = os.path.isfile(f'{args.run}/config.yaml')
    if resume and load_config(f'{args.run}/config.yaml', saved=True) != config:
        raise ValueError(f'{args.run}: holds a run of another configuration; move it away, or choose another '
                         '--run folder')
    device = configure(config.runtime.device, config.runtime.mode, config.runtime.threads,
                       config.runtime.device_id, config.train.seed, config.runtime.kernels,
                       config.runtime.jit_level)
    from tinynets.quickstart import quickstart
    quickstart(config, device, args.run, resume)
