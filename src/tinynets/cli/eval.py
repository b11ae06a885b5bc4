"""Evaluate a checkpoint (or an exported model): `python eval.py --checkpoint runs/x/best.ckpt`."""
import argparse
import sys

from tinynets.files import check_outputs, user_path, write_json
from tinynets.runtime import configure, rank
from tinynets.text import counted


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--checkpoint', required=True, type=user_path, metavar='PATH',
                        help='a .ckpt, a .mindir or an .onnx')
    parser.add_argument('--data', metavar='NAME', help='name of the data set (default: the one used for training)')
    parser.add_argument('--data-dir', type=user_path, metavar='DIR', help='folder of the data set')
    parser.add_argument('--split', default='val', choices=('train', 'val'), help='split to score (default: val)')
    parser.add_argument('--weights', default='auto', choices=('auto', 'ema', 'raw'),
                        help='averaged (ema) or raw weights; auto: ema if the checkpoint has them')
    parser.add_argument('--batch-size', type=int, metavar='N', help='images per batch (default: as in training)')
    parser.add_argument('--strict', action='store_true', help='fail on an image that cannot be decoded')
    parser.add_argument('--json', type=user_path, metavar='OUT', help='write the scores as JSON')
    parser.add_argument('--confusion', type=user_path, metavar='PNG', help='draw the confusion matrix')
    parser.add_argument('--device', default='auto', choices=('auto', 'CPU', 'Ascend', 'GPU'),
                        help='device to run on (default: auto)')


def main(args: argparse.Namespace) -> None:
    if args.batch_size is not None and args.batch_size < 1:
        raise ValueError(f'--batch-size {args.batch_size}: must be at least 1')
    check_outputs({'--json': args.json, '--confusion': args.confusion}, [args.checkpoint])
    configure(args.device)
    from tinynets.config import from_dict
    from tinynets.data import presets
    from tinynets.deploy.predict import load_predictor
    from tinynets.tasks import task_class
    from tinynets.training.plots import confusion_matrix
    from tinynets.training.progress import Bar, tell
    from tinynets.workers import first_alone
    model = load_predictor(args.checkpoint, args.weights)
    task = task_class(model.task)
    if args.confusion and not model.class_names:
        raise ValueError(f'--confusion: {args.checkpoint} is for {task.name}, which has no classes; leave it out')
    data = from_dict(model.config, args.checkpoint).data
    data = presets.whole_set(data, args.data, args.data_dir, batch_size=args.batch_size or data.batch_size,
                             strict=args.strict or data.strict)
    with Bar('checking images', 1) as bar, first_alone():
        dataset = model.dataset(data, args.split, bar)
    if args.split == 'val' and not presets.has_validation(data.name, data.dir) and rank() == 0:
        print(f'{data.dir} has no val/: evaluating the {counted(len(dataset), "image")} that a training keeps for '
              'validation. To evaluate all images, give a folder with the classes in val/', file=sys.stderr)
    with Bar('evaluating', len(dataset)) as bar:
        result = task.evaluate(model.predict, dataset, model.transform, data.batch_size, data.workers, bar)
    numbers = {'checkpoint': args.checkpoint, 'model': model.network['name'], 'weights': model.weights,
               'data': data.name, 'split': args.split, **result.summary()}
    tell('  '.join(map(' '.join, task.score_text(result.summary()))) + f"  {counted(result.count, 'image')}  "
         f"{result.images_per_s:.0f} images/s  ({model.network['name']}, {model.weights} weights, "
         f"{data.name} {args.split})")
    if args.json and rank() == 0:
        write_json(args.json, numbers)
    if args.confusion and rank() == 0:
        confusion_matrix(result.confusion, dataset.class_names, path=args.confusion,
                         title=f"{model.network['name']} on {data.name}, top-1 {result.top1:.2f} %")
