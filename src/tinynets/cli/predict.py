"""Classify images with a model file.

    python predict.py --model runs/x/export/tinynet_e.mindir --images DIR_OR_FILE ...
"""
import argparse
import sys

from tinynets.files import check_outputs, user_path
from tinynets.output import unread
from tinynets.runtime import configure, printable

UNREAD = 141  # exit code if the reader of standard output has gone, as for a process ended by SIGPIPE
COUNT = 24  # images of a data set
DRAWN = 64  # images in a picture at most
BACKENDS = {'auto': (), 'mindspore': ('.ckpt', '.mindir'), 'onnxruntime': ('.onnx',),
            'lite': ('.mindir', '.onnx')}  # backend -> accepted endings; auto: those of LOADERS, deploy/predict.py


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--model', required=True, type=user_path, metavar='PATH',
                        help='a checkpoint or an exported file, such as a .ckpt, .mindir or .onnx')
    parser.add_argument('--images', nargs='+', action='extend', type=user_path, metavar='PATH',
                        help='image files or folders')
    parser.add_argument('--data', metavar='NAME', help='classify validation images of this data set instead')
    parser.add_argument('--data-dir', type=user_path, metavar='DIR', help='folder of the data set')
    parser.add_argument('--count', type=int, metavar='N',
                        help=f'images to take from the data set (default: {COUNT})')
    parser.add_argument('--topk', type=int, default=1, metavar='K', help='classes printed per image (default: 1)')
    parser.add_argument('--plot', type=user_path, metavar='PNG', help='draw the images with their predictions')
    parser.add_argument('--backend', default='auto', choices=BACKENDS,
                        help='engine: auto chooses by the ending, lite is the C++ program for a .mindir or .onnx')
    parser.add_argument('--device', default='auto', choices=('auto', 'CPU', 'Ascend', 'GPU'),
                        help='device to run on (default: auto)')


def dataset_of(args: argparse.Namespace, model):
    """Return the validation split of --data with the model's classes."""
    from tinynets.config import from_dict
    from tinynets.data import presets
    data = from_dict(model.config, args.model).data
    return model.dataset(presets.whole_set(data, args.data, args.data_dir), 'val')


def main(args: argparse.Namespace) -> int:
    if bool(args.images) == bool(args.data):
        raise ValueError('give either --images or --data')
    if args.images and (args.data_dir or args.count is not None):
        raise ValueError(f'{"--data-dir" if args.data_dir else "--count"}: is for the images of --data; leave it out '
                         'with --images')
    check_outputs({'--plot': args.plot}, [args.model, *(args.images or ())])
    endings = BACKENDS[args.backend]
    if not endings:
        from tinynets.deploy.predict import LOADERS
        endings = tuple(LOADERS)
    if not args.model.lower().endswith(endings):
        raise ValueError(f'{args.model}: the ending must be one of {", ".join(endings)}')
    if args.backend == 'lite' and args.data:
        raise ValueError('--backend lite takes image files: give --images in place of --data')
    if args.backend == 'lite' and args.device not in ('auto', 'CPU'):
        raise ValueError(f'--device {args.device}: --backend lite runs on the CPU; on an Ascend use '
                         'bash scripts/run_infer_310.sh MODEL IMAGES ascend')
    from tinynets.data.images import dark_images
    from tinynets.deploy.classify import classify, classify_by_program, find_files, samples_of_dataset, samples_of_files
    from tinynets.training.plots import predictions
    bad: list = []
    highest: dict = {}  # highest values of images with 16-bit samples

    def say(line: str) -> None:
        print(printable(line), file=sys.stderr)

    if args.backend == 'lite':
        results = classify_by_program(args.model, find_files(args.images, say), args.topk, bad.append,
                                      highest)
    else:
        configure(args.device)
        from tinynets.deploy.predict import load_predictor
        model = load_predictor(args.model)
        samples = (samples_of_dataset(dataset_of(args, model), COUNT if args.count is None else args.count) if args.data
                   else samples_of_files(find_files(args.images, say), bad.append, highest))
        results = classify(model, samples, args.topk)
    drawn = []
    for result in results:
        print(printable(f"{result.name}: {', '.join(f'{name} {100 * p:.1f} %' for name, p in result.classes)}"))
        if unread() and not args.plot:
            return UNREAD
        if args.plot and len(drawn) < DRAWN:
            drawn.append(result)
    for line in bad:
        say(f'left out: {line}')
    dark = dark_images(highest)
    if dark:
        say(dark)
    if drawn:
        predictions([r.image for r in drawn], [r.caption for r in drawn], [r.right for r in drawn], path=args.plot)
        print(f'picture of the first {len(drawn)}: {args.plot}')
    return 1 if bad else 0
