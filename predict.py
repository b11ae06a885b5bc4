"""Classify images with a model file: `python predict.py --model runs/x/export/tinynet_e.mindir --images DIR_OR_FILE ...`."""
import argparse

from src.runtime import configure, run_entry


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
    configure(args.device)
    from src.deploy.classify import classify, collect
    from src.deploy.predict import load_predictor
    from src.training.plots import predictions
    model = load_predictor(args.model)
    samples, bad = collect(args.images, args.data, args.data_dir, args.count)
    results = classify(model, samples, args.topk)
    for result in results:
        print(f"{result.name}: {', '.join(f'{name} {100 * p:.1f} %' for name, p in result.classes)}")
    if args.plot and results:
        predictions([s.image for s in samples], [r.caption for r in results], [r.right for r in results], args.plot)
        print(f'picture: {args.plot}')
    return 1 if bad else 0


if __name__ == '__main__':
    run_entry(main)
