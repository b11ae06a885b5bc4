"""The main job end to end on the embedded digits: train, evaluate, export, check, classify; called by quickstart.sh."""
import src.early  # noqa: F401
import argparse
import os

from src.files import user_path
from src.runtime import configure, run_entry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--config', default='configs/tinynet_e_digits.yaml', type=user_path, metavar='FILE')
    parser.add_argument('--set', metavar='KEY=VALUE', action='append', default=[], dest='overrides')
    parser.add_argument('--run', default='runs/quickstart', type=user_path, metavar='DIR',
                        help='an interrupted one there is continued')
    args = parser.parse_args()
    from src.config import load_config
    config = load_config(args.config, args.overrides)
    resume = os.path.isfile(f'{args.run}/config.yaml')
    if resume and load_config(f'{args.run}/config.yaml') != config:
        raise ValueError(f'{args.run}: holds a run of another configuration; move it away, or choose another --run folder')
    device = configure(config.runtime.device, config.runtime.mode, config.runtime.threads,
                       config.runtime.device_id, config.train.seed, config.runtime.kernels,
                       config.runtime.jit_level)
    from src.quickstart import quickstart
    quickstart(config, device, args.run, resume)


if __name__ == '__main__':
    run_entry(main, log=True)
