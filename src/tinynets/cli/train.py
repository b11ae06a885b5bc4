"""Train a network: `python train.py --config configs/tinynet_e_fashion_mnist.yaml [--set key=value ...]`."""
import argparse
import dataclasses
import os
import time

from tinynets.files import user_path
from tinynets.runtime import configure


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--config', type=user_path, metavar='FILE',
                        help='configuration file, see configs/ (default: the built-in values)')
    parser.add_argument('--set', metavar='KEY=VALUE', action='append', default=[], dest='overrides',
                        help='replace one key of the configuration, for example train.epochs=10; may be repeated')
    parser.add_argument('--data-dir', type=user_path, metavar='DIR',
                        help='folder of the data set; with --resume, its new place if it was moved')
    parser.add_argument('--run', type=user_path, metavar='DIR',
                        help='folder of the run (default: runs/<model>-<data>-<time>)')
    parser.add_argument('--resume', type=user_path, metavar='RUN',
                        help='folder of an interrupted run to resume, with the configuration saved there')


def log(argv: list) -> bool:
    """Whether what is printed is a log only: the results are files (runtime.run_entry)."""
    return True


def main(args: argparse.Namespace) -> None:
    from tinynets.config import load_config
    from tinynets.training.run import RunFolder
    if args.resume is not None:
        if args.config or args.overrides or args.run:
            raise ValueError('--resume uses the configuration of the run; leave out all options except --data-dir')
        path, config = args.resume, RunFolder.open(args.resume).load_config()
    elif args.config or args.overrides:
        config = load_config(args.config, args.overrides)
        path = args.run or f'runs/{config.model.name}-{config.data.name}-{time.strftime("%Y%m%d-%H%M%S")}'
    else:
        raise ValueError('nothing to train: give --config, for example configs/tinynet_e_digits.yaml, or --resume')
    if args.data_dir:
        config = dataclasses.replace(config, data=dataclasses.replace(config.data, dir=os.path.abspath(args.data_dir)))
    device = configure(config.runtime.device, config.runtime.mode, config.runtime.threads, config.runtime.device_id,
                       config.train.seed, config.runtime.kernels, config.runtime.jit_level)
    from tinynets.training.loop import train
    from tinynets.training.outcome import finished_text
    from tinynets.training.progress import tell
    tell(finished_text(train(config, device, path, resume=args.resume is not None,
                             numbered=args.run is None)))
