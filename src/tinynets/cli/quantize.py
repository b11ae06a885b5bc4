"""Make an eight-bit ONNX file: `python quantize.py --model runs/x/export/tinynet_e.onnx [--images DIR]`."""
import argparse
import math
import os

from tinynets.files import check_file, check_parent, user_path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--model', required=True, type=user_path, metavar='FILE.onnx',
                        help='an ONNX file made by export.py')
    parser.add_argument('--images', nargs='+', action='extend', type=user_path, metavar='PATH',
                        help='image files or folders to calibrate with (default: training images)')
    parser.add_argument('--count', type=int, default=256, metavar='N',
                        help='largest number of images to calibrate with (default: 256)')
    parser.add_argument('--method', default='minmax', metavar='NAME',
                        help='how ranges are found: minmax or percentile (default: minmax)')
    parser.add_argument('--data', metavar='NAME',
                        help='name of the data set to score on (default: the one used for training)')
    parser.add_argument('--data-dir', type=user_path, metavar='DIR', help='folder of the data set')
    parser.add_argument('--max-drop', type=float, default=1.0, metavar='POINTS',
                        help='largest loss of top-1 for which the file is written (default: 1)')
    parser.add_argument('--force', action='store_true', help='write the file whatever it scores')
    parser.add_argument('--out', type=user_path, metavar='FILE.onnx', help='file to write (default: <model>-int8.onnx)')


def main(args: argparse.Namespace) -> None:
    out = args.out or f'{os.path.splitext(args.model)[0]}-int8.onnx'
    check_parent(out)
    check_file(out)
    if args.count < 1:
        raise ValueError(f'--count {args.count}: must be at least 1')
    if math.isnan(args.max_drop):
        raise ValueError('--max-drop nan: must be a number')
    if not out.lower().endswith('.onnx'):
        raise ValueError(f'--out {out}: must end with .onnx')
    if os.path.realpath(out) == os.path.realpath(args.model):
        raise ValueError(f'--out {out}: is the model itself; choose another file')
    from tinynets.config import from_dict
    from tinynets.data import presets
    from tinynets.data.classification import balanced_order
    from tinynets.deploy.classify import evenly, find_files, samples_of_files
    from tinynets.deploy.predict import load_predictor
    from tinynets.deploy.quantize import quantize
    from tinynets.training.progress import Bar, tell
    model = load_predictor(args.model)
    data = presets.whole_set(from_dict(model.config, args.model).data, args.data, args.data_dir)
    if args.images:
        found = find_files(args.images, tell)
        files = [found[i] for i in evenly(len(found), args.count)]
        images = (sample.image for sample in samples_of_files(files, tell))
    else:
        train = model.dataset(data, 'train')
        images = (train.image(i) for i in balanced_order(train.labels)[:args.count])
    dataset = model.dataset(data, 'val')
    with Bar('scoring', len(dataset)) as bar:
        variants = quantize(args.model, out, (model.transform(image)[None] for image in images), dataset, args.max_drop,
                            args.force, args.method, data.batch_size, data.workers, bar)
    print(f'{"file":<40} {"bytes":>12} {"ms/image":>12} {"top-1, %":>9} {"top-5, %":>9}')
    for v in variants:
        print(f'{os.path.basename(v.path):<40} {v.bytes:>12,} {v.milliseconds:>12.2f} {v.score.top1:>9.2f} '
              f'{v.score.top5:>9.2f}')
