"""Train a network: `python train.py --config configs/tinynet_e_fashion_mnist.yaml [--set key=value ...]`."""
import src.early  # noqa: F401
import argparse
import dataclasses
import os
import sys
import time

from src.arguments import check_named
from src.files import user_path
from src.runtime import configure, run_entry


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--config', type=user_path, metavar='FILE',
                        help='a recipe, see configs/ (default: the built-in defaults)')
    parser.add_argument('--set', metavar='KEY=VALUE', action='append', default=[], dest='overrides',
                        help='replace one key of the configuration, for example train.epochs=10; may be repeated')
    parser.add_argument('--data-dir', type=user_path, metavar='DIR',
                        help="the data set's folder; also where it lies now, with --resume")
    parser.add_argument('--run', type=user_path, metavar='DIR',
                        help='the folder of the run (default: runs/<model>-<data>-<time>)')
    parser.add_argument('--resume', type=user_path, metavar='RUN',
                        help='continue an interrupted run, with its own configuration')
    return parser.parse_args()


def main() -> None:
    check_named('train.py', sys.argv[1:])
    args = parse_arguments()
    from src.config import load_config
    from src.training.run import RunFolder
    if args.resume is not None:
        if args.config or args.overrides or args.run:
            raise ValueError('--resume continues with the configuration of the run; it takes no option but --data-dir')
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
    from src.training.loop import finished_text, train
    from src.training.progress import tell
    tell(finished_text(train(config, device, path, resume=args.resume is not None,
                             numbered=args.run is None)))


if __name__ == '__main__':
    run_entry(main, log=True)
