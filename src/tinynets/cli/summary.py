"""Print what a network costs: `python summary.py --model tinynet_a [--per-layer] [--json]` or `... --list`."""
import argparse
import json

from tinynets.arch import COSTS, expand, layer_costs, list_models, measure, resolve
from tinynets.arch.costs import all_costs


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--model', default='tinynet_a', metavar='NAME',
                        help='name from --list, or a scaling such as efficientnet_b0@r=0.7,d=0.9,w=0.5 (default: '
                             'tinynet_a)')
    parser.add_argument('--resolution', type=int, metavar='PX',
                        help="resolution in pixels (default: the network's own)")
    parser.add_argument('--num-classes', type=int, default=1000, metavar='N', help='number of classes (default: 1000)')
    parser.add_argument('--in-channels', type=int, default=3, metavar='N',
                        help='channels of the images, 1 for grey (default: 3)')
    parser.add_argument('--per-layer', action='store_true', help='add one row per convolution and dense layer')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    parser.add_argument('--list', action='store_true', help='print the names of the networks')


def describe(name: str, num_classes: int, resolution=None, per_layer: bool = False, in_channels: int = 3) -> dict:
    spec = resolve(name, num_classes=num_classes, resolution=resolution, in_channels=in_channels)
    plan = expand(spec)
    summary = {'name': spec.name, 'base': spec.base, 'resolution': plan.resolution, 'width': spec.w, 'depth': spec.d,
               'num_classes': spec.num_classes, 'in_channels': spec.in_channels}
    summary.update(vars(measure(plan)))
    summary.update(all_costs(plan))
    if per_layer:
        summary['layers'] = [dict(vars(layer)) for layer in layer_costs(plan)]
    return summary


def print_table(summary: dict) -> None:
    for layer in summary.pop('layers', ()):
        shape = 'x'.join(str(n) for n in layer['shape'])
        print(f"{layer['name']:<36} {layer['kind']:<10} {shape:>14} {layer['macs']:>14,} MACs "
              f"{layer['params']:>11,} params")
    units = {'resolution': 'px', 'macs': 'multiply-adds of convolutions and dense layers',
             'params': 'learnable numbers',
             'activations': 'elements written by convolutions and dense layers',
             'peak_memory': 'bytes of feature maps alive at once, float32, one image',
             'size_bytes': 'bytes of float32 parameters'}
    for key, value in summary.items():
        unit = units.get(key, COSTS[key].unit if key in COSTS else '')
        text = value if isinstance(value, (str, float)) else format(value, ',')
        print(f"{key:<12} {text:>16}  {unit}".rstrip())


def main(args: argparse.Namespace) -> None:
    if args.list:
        names = list_models()
        print(json.dumps(names) if args.json else '\n'.join(names))
        return
    summary = describe(args.model, args.num_classes, args.resolution, args.per_layer, args.in_channels)
    print(json.dumps(summary)) if args.json else print_table(summary)
