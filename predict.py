"""Classify images with a model file: `python predict.py --model runs/x/export/tinynet_e.mindir --images DIR_OR_FILE ...`."""
import argparse
import sys

from src.files import check_parent
from src.runtime import configure, run_entry

DRAWN = 64  # images in a picture at most


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', required=True, metavar='PATH', help='a .ckpt, .mindir or .onnx')
    parser.add_argument('--images', nargs='+', metavar='PATH', help='image files, or folders of them')
    parser.add_argument('--data', metavar='NAME', help="take the images from a data set's validation split instead")
    parser.add_argument('--data-dir', metavar='DIR', help="the data set's folder")
    parser.add_argument('--count', type=int, default=24, metavar='N', help='how many of the data set (default 24)')
    parser.add_argument('--topk', type=int, default=1, metavar='K', help='classes named for each image')
    parser.add_argument('--plot', metavar='PNG', help='draw the images with their predictions')
    parser.add_argument('--device', default='auto', choices=('auto', 'CPU', 'Ascend', 'GPU'))
    args = parser.parse_args()
    if bool(args.images) == bool(args.data):
        parser.error('give either --images or --data')
    return args


def main() -> int:
    args = parse_arguments()
    check_parent(args.plot)
    configure(args.device)
    from src.deploy.classify import classify, find_files, samples_of_dataset, samples_of_files
    from src.deploy.predict import load_predictor
    from src.training.plots import predictions
    model = load_predictor(args.model)
    bad: list = []
    samples = (samples_of_dataset(args.data, args.data_dir, args.count) if args.data
               else samples_of_files(find_files(args.images), bad.append))
    drawn = []
    for result in classify(model, samples, args.topk):
        print(f"{result.name}: {', '.join(f'{name} {100 * p:.1f} %' for name, p in result.classes)}")
        if args.plot and len(drawn) < DRAWN:
            drawn.append(result)
    for line in bad:
        print(f'left out: {line}', file=sys.stderr)
    if drawn:
        predictions([r.image for r in drawn], [r.caption for r in drawn], [r.right for r in drawn], args.plot)
        print(f'picture of the first {len(drawn)}: {args.plot}')
    return 1 if bad else 0


if __name__ == '__main__':
    run_entry(main)
