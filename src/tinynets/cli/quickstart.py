"""Train, evaluate, export, check and classify on the embedded digits, as quickstart.sh does."""
import argparse
import os

from tinynets.files import user_path
from tinynets.runtime import configure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--config', default='configs/tinynet_e_digits.yaml', type=user_path, metavar='FILE',
                        help='configuration file (default: configs/tinynet_e_digits.yaml)')
    parser.add_argument('--set', metavar='KEY=VALUE', action='append', default=[], dest='overrides',
                        help='replace one key of the configuration; may be repeated')
    parser.add_argument('--run', default='runs/quickstart', type=user_path, metavar='DIR',
                        help='folder of the run; an interrupted run in it is resumed (default: runs/quickstart)')


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
