"""Markdown tables of the benchmarks' records: `python benchmarks/tables.py docs/lab/*.jsonl [--pages docs/edge.md]`.

A record is a line of JSON: benchmark, date, revision of the code, setting (machine, versions, options), row, and the
results of each repetition. Times are medians of the repetitions, ratios medians of the repetitions' ratios: all
variants run in each repetition, so a drift of the machine's speed affects all equally. tests/test_records.py compares
every table under docs/ with these functions.
"""
import argparse
import json
import pathlib
import re
import statistics
import textwrap

QUIET = 0.05  # the share of the processors that other processes may use without a remark
OURS = 'ours'
PROGRAMS = ('ours', 'ours_avx2', 'ours_library')  # edge_latency.py: the C++ program, on its kernels and others
PACKAGE = ('ours', 'ours_pillow', 'ours_whole', 'ours_stock')  # other benchmarks: this package and its slower variants
NAMES = {'ours': 'this package', 'ours_avx2': 'by AVX2', 'ours_library': "by MindSpore Lite's kernels",
         'ours_pillow': 'this package, nothing compiled', 'ours_whole': 'this package, whole images',
         'ours_stock': 'this package, stock operators', 'onnxruntime': 'ONNX Runtime', 'openvino': 'OpenVINO',
         'openvino_bf16': 'OpenVINO, bfloat16', 'torch_eager': 'PyTorch, eager',
         'torch_channels_last': 'PyTorch, channels last', 'torch_compiled': 'PyTorch, compiled',
         'torch_compiled_channels_last': 'PyTorch, compiled channels last', 'pillow': 'Pillow', 'opencv': 'OpenCV',
         'torchvision': 'torchvision', 'torchvision_v2': 'torchvision v2', 'timm': 'timm',
         'torchvision_v2_tensor': 'torchvision v2, tensors'}
VERSIONS = {'python': 'Python', 'mindspore': 'MindSpore', 'mindspore-lite': 'MindSpore Lite', 'torch': 'PyTorch',
            'torchvision': 'torchvision', 'timm': 'timm', 'onnxruntime': 'ONNX Runtime', 'openvino': 'OpenVINO',
            'opencv-python-headless': 'OpenCV', 'pillow': 'Pillow', 'numpy': 'NumPy'}
REDUCED = ('openvino_bf16',)  # precision: not among the peers in float32


def read(*paths) -> list:
    """Return the records of files in order; of a row measured again with the same setting, only the last."""
    found = {}
    for path in paths:
        for line in pathlib.Path(path).read_text().splitlines():
            record = json.loads(line)
            kind = tuple(record['setting'].get(key) for key in ('mode', 'data', 'network'))
            found[record['benchmark'], kind, record['row'], record.get('engine')] = record
    return list(found.values())


def of(records: list, benchmark: str, **setting) -> list:
    """Return the records of a benchmark with these options."""
    return [r for r in records if r['benchmark'] == benchmark
            and all(r['setting'].get(key) == value for key, value in setting.items())]


def table(head: list, rows: list) -> str:
    """A Markdown table."""
    return '\n'.join('| ' + ' | '.join(map(str, row)) + ' |' for row in [head, ['---'] * len(head), *rows])


def name(variant: str) -> str:
    """Return a variant's name in tables."""
    return NAMES.get(variant, variant)


def ratio(over: list, under: list, less: float = 0.0) -> float:
    """Return the median of the repetitions' ratios; `less` is subtracted from each denominator."""
    return statistics.median(a / (b - less) for a, b in zip(over, under))


def span(values) -> str:
    """'0.71 to 0.85'."""
    return f'{min(values):.2f} to {max(values):.2f}'


def machine(records: list) -> str:
    """Return a sentence on the machine, date, revision and versions of the records."""
    places = {}
    for record in records:
        setting = record['setting']
        versions = ', '.join(f'{title} {setting[key]}' for key, title in VERSIONS.items()
                             if setting.get(key, 'not used') != 'not used')
        place = f"{setting['CPU']} ({setting['family']}), {setting['cores']} cores; {versions}"
        places.setdefault(place, []).append(f"{record['date']}, revision {record['revision']}")
    return '\n\n'.join(textwrap.fill(f'{place}; {"; ".join(dict.fromkeys(when))}.', 120)
                       for place, when in places.items())


def others(records: list) -> str:
    """Return the largest share of the processors used by other processes."""
    return f"{100 * max(record['others'] for record in records):.0f} %"


# edge_latency.py

def edge_engines(records: list) -> list:
    """Return the engines in the records, in order."""
    return list(dict.fromkeys(e for r in records for layout in r['layouts'].values() for e in layout))


def edge_peer(engines: dict, key: str) -> str | None:
    """Return the fastest other engine in float32, by 'ms' or 'images_per_s'."""
    good = {e: statistics.median(found[key]) for e, found in engines.items()
            if e not in PROGRAMS and e not in REDUCED and 'failed' not in found}
    return (max if key == 'images_per_s' else min)(good, key=good.get, default=None)


def edge_ratios(record: dict, layout: str = '1,1,1') -> tuple:
    """Return the ratio of the package's time to the fastest peer's, with and without the peer's Python call."""
    engines = record['layouts'][layout]
    peer = edge_peer(engines, 'ms')
    call = statistics.median(record['call'][f'{peer}_call']['ms'])
    return ratio(engines[OURS]['ms'], engines[peer]['ms']), ratio(engines[OURS]['ms'], engines[peer]['ms'], call)


def edge_latency(records: list) -> str:
    """Return a table of the milliseconds per call of every engine, with one copy of the network."""
    records = [r for r in records if not r['row'].endswith('files')]
    engines = edge_engines(records)
    rows = []
    for record in records:
        for layout, found in record['layouts'].items():
            batch, threads, copies = map(int, layout.split(','))
            if copies > 1:
                continue
            times = [f"{statistics.median(found[e]['ms']):.2f}" if 'ms' in found[e] else 'failed' for e in engines]
            share = 2e-6 * record['macs'] * batch / statistics.median(found[OURS]['ms']) / (record['peak'] * threads)
            whole, net = edge_ratios(record, layout)
            rows.append([record['row'], batch, threads, *times, name(edge_peer(found, 'ms')), f'**{whole:.2f}**',
                         f'{net:.2f}', f'{100 * share:.0f} %'])
    return table(['network', 'batch', 'threads', *map(name, engines), 'fastest peer in float32', 'ratio',
                  'less its Python call', 'share of peak'], rows)


def edge_best(record: dict, engine: str) -> tuple:
    """Return (images/s, layout, images/s of each repetition) of an engine's fastest layout."""
    rates = {layout: found[engine]['images_per_s'] for layout, found in record['layouts'].items()
             if 'images_per_s' in found.get(engine, {})}
    layout = max(rates, key=lambda at: statistics.median(rates[at]))
    return statistics.median(rates[layout]), layout, rates[layout]


def edge_throughput_ratio(record: dict) -> tuple:
    """Return (ratio of the package's images/s to those of the best peer in float32, the peer)."""
    engines = [e for e in edge_engines([record]) if e not in PROGRAMS and e not in REDUCED]
    peer = max(engines, key=lambda e: edge_best(record, e)[0])
    return ratio(edge_best(record, OURS)[2], edge_best(record, peer)[2]), peer


def edge_throughput(records: list) -> str:
    """Return a table of the whole machine's images/s on each engine's best layout, batch · threads · copies."""
    records = [r for r in records if not r['row'].endswith('files')]
    engines, rows = edge_engines(records), []
    for record in records:
        cells = ['{:.0f} ({})'.format(rate, layout.replace(',', '·'))
                 for rate, layout, _ in (edge_best(record, e) for e in engines)]
        times, peer = edge_throughput_ratio(record)
        rows.append([record['row'], *cells, name(peer), f'**{times:.2f}**'])
    return table(['network', *map(name, engines), 'best peer in float32', 'times its images/s'], rows)


def edge_calls(records: list) -> str:
    """Return a table of a peer's call from Python, of a network that computes nothing."""
    records = [r for r in records if not r['row'].endswith('files')]
    peers = list(dict.fromkeys(peer for r in records for peer in r['call']))
    return table(['network', *(f"{name(peer.removesuffix('_call'))}, ms per call" for peer in peers)],
                 [[r['row'], *(f"{statistics.median(r['call'][peer]['ms']):.3f}" for peer in peers)] for r in records])


FAMILY = ('tinynet_a', 'tinynet_b', 'tinynet_c', 'tinynet_d', 'tinynet_e', 'efficientnet_b0')


def edge_spans(records: list) -> dict:
    """Return the ratios of TinyNets and EfficientNet-B0 as '0.71 to 0.85', and those of other networks by name."""
    rows = {r['row']: r for r in records}
    family = [rows[row] for row in FAMILY if row in rows]
    bf16 = [ratio(r['layouts']['1,1,1'][OURS]['ms'], r['layouts']['1,1,1']['openvino_bf16']['ms']) for r in family]
    return {'one thread': span([edge_ratios(r)[0] for r in family]),
            'less the call': span([edge_ratios(r)[1] for r in family]),
            'two threads': span([edge_ratios(r, '1,2,1')[0] for r in family]), 'bfloat16': span(bf16),
            'throughput': span([edge_throughput_ratio(r)[0] for r in family]),
            **{row: f'{edge_ratios(r)[0]:.2f}' for row, r in rows.items() if row not in FAMILY}}


def edge_words(records: list) -> str:
    """Return the ratios of `edge_spans` in sentences."""
    found = edge_spans(records)
    rest = ', '.join(f'`{row}` {value}' for row, value in found.items() if row in {r['row'] for r in records})
    return textwrap.fill(
        f"With TinyNet-A to -E and EfficientNet-B0 an image on one thread takes {found['one thread']} times as long as "
        f"in the faster of ONNX Runtime and OpenVINO in float32 ({found['less the call']} without the peer's Python "
        f"call), on two threads {found['two threads']}. The whole machine reaches {found['throughput']} times the "
        f"images/s of the best peer. Other networks, one image on one thread: {rest}. ResNet-50 was not "
        "measured. OpenVINO's bfloat16, its default on such processors, is less "
        f"precise; for one image on one thread the package, in float32, takes {found['bfloat16']} times as long.", 120)


def edge_files_spans(records: list) -> dict:
    """Return the package's speed relative to each decoder, file to logits, on one thread and on all cores."""
    found = {}
    for record in records:
        one, many = record['layouts'].values()
        for decoder in one:
            found.setdefault(decoder, []).append((
                ratio(one[decoder]['ms'], one[OURS]['ms']),
                ratio(many[OURS]['images_per_s'], many[decoder]['images_per_s'])))
    return {decoder: span([value for pair in pairs for value in pair]) for decoder, pairs in found.items()}


def edge_files(records: list) -> str:
    """Return a table from image files to logits: the parts on one thread, and images/s of the whole machine."""
    rows = []
    for record in (r for r in records if r['row'].endswith('files')):
        one, many = record['layouts'].values()
        for decoder, here in one.items():
            parts = [statistics.median(part) for part in zip(*here['parts'])]
            rates = many[decoder]['images_per_s']
            rows.append([record['row'].split(',')[0], name(decoder), *(f'{part:.2f}' for part in parts),
                         f"{statistics.median(here['ms']):.2f}", f'{statistics.median(rates):.0f}',
                         f"{ratio(here['ms'], one[OURS]['ms']):.2f}, {ratio(many[OURS]['images_per_s'], rates):.2f}"])
    return table(['network', 'decoding and resizing by', 'decode, ms', 'resize, ms', 'network, ms', 'all, ms',
                  'images/s, all cores', 'the package is times as fast'], rows)


# training_step.py, input_pipeline.py, cpu_instruction_set.py

def step_rates(record: dict) -> dict:
    """{variant: images/s of each repetition} of a row."""
    batch = int(record['row'].split(',')[2])
    return {variant: [batch / seconds for seconds in found['seconds']]
            for variant, found in record['variants'].items() if found.get('seconds')}


def input_rates(record: dict) -> dict:
    """{variant: images/s of each repetition} of a row."""
    return {v: rates for v, rates in record['variants'].items() if isinstance(rates, list) and rates}


def fastest(rates: dict) -> str | None:
    """Return the fastest variant that is not this package's, by the median."""
    return max((v for v in rates if v not in PACKAGE), key=lambda v: statistics.median(rates[v]), default=None)


def times_as_fast(rates: dict, variant: str | None) -> float:
    """Return the package's speed relative to a variant's."""
    return ratio(rates[OURS], rates[variant])


def speeds(records: list, rates_of) -> str:
    """Return the package's speed relative to the fastest other variant, over all records: '1.56 to 2.66'."""
    return span([times_as_fast(rates, fastest(rates)) for rates in map(rates_of, records)])


def summary(records: list, rates_of, head: str) -> str:
    """Return a table of the package and the fastest other variant, one row per record."""
    rows = []
    for record in records:
        rates = rates_of(record)
        peer = fastest(rates)
        remark = ' (too much)' if record['others'] > QUIET else ''
        rows.append([record['row'].replace(',', ', '), f'{statistics.median(rates[OURS]):.0f}',
                     f'{statistics.median(rates[peer]):.0f}, {name(peer)}', f'**{times_as_fast(rates, peer):.2f}**',
                     f"{100 * record['others']:.0f} %{remark}"])
    return table([head, 'this package, images/s', 'fastest peer, images/s', 'times as fast', "others' CPU"], rows)


def variants(records: list, rates_of, head: str) -> str:
    """Return a table of every variant of every record."""
    rows = []
    for record in records:
        rates = rates_of(record)
        for variant, found in record['variants'].items():
            start = [record['row'].replace(',', ', '), name(variant)]
            if variant not in rates:
                rows.append([*start, f"failed: {found['failed']}".replace('|', '/'), '', ''])
                continue
            rows.append([*start, f'{statistics.median(rates[variant]):.0f}',
                         f'{min(rates[variant]):.0f}, {max(rates[variant]):.0f}',
                         f'{times_as_fast(rates, variant):.2f}'])
    return table([head, 'variant', 'images/s', 'lowest, highest', 'the package is times as fast'], rows)


def instruction_sets(records: list) -> str:
    """Return a table of a step's time with each of oneDNN's instruction sets (cpu_instruction_set.py)."""
    rows = []
    for record in records:
        first = next(iter(record['variants']))
        for variant, seconds in record['variants'].items():
            median = statistics.median(seconds)
            rows.append([record['row'].replace(',', ', '), variant, f'{1000 * median:.0f}',
                         f"{int(record['row'].split(',')[2]) / median:.0f}",
                         f"{ratio(record['variants'][first], seconds):.2f}"])
    return table(['network, px, batch', 'instruction set', 'ms per step', 'images/s', 'times the default'], rows)


# accuracy.py

def compared(records: list) -> str:
    """compare_exports.py's rows."""
    return table(['file', 'engine', 'top-1, %', 'top-5, %', 'as the checkpoint', 'logits'],
                 [[r['row'], r['engine'], f"{r['top1']:.2f}", f"{r['top5']:.2f}", f"{r['agree']} of {r['count']}",
                   f"{r['difference']:.1e}"] for r in records])


def eight_bits(records: list) -> str:
    """quantize.py's rows."""
    return table(['file', 'bytes', 'ms per image', 'top-1, %', 'top-5, %'],
                 [[r['row'], f"{r['bytes']:,}", f"{r['ms']:.2f}", f"{r['top1']:.2f}", f"{r['top5']:.2f}"]
                  for r in records])


def epochs(records: list) -> str:
    """Return a table of the scores after each epoch of a training."""
    return table(['epoch', 'top-1, %', 'top-5, %', 'loss'],
                 [[r['row'], f"{r['top1']:.2f}", f"{r['top5']:.2f}", f"{r['loss']:.4f}"] for r in records])


def learning(records: list) -> str:
    """Return a table of networks: the scores after each epoch of their trainings and by eval.py on the test images."""
    rows = {}
    for record in records:
        after, test = rows.setdefault(record['setting']['network'], ([], []))
        if record['benchmark'] == 'epochs':
            after.append(f"{record['top1']:.2f}")
        elif record['row'] == 'best.ckpt':
            test.append(f"{record['top1']:.2f}")
    return table(['network', 'top-1 by epoch, %', 'test, %'],
                 [[f'`{network}`', ', '.join(after), *test] for network, (after, test) in rows.items()])


def other_bases(records: list) -> list:
    """Return the records of networks other than TinyNet-E on Fashion-MNIST."""
    return [r for name in ('epochs', 'compare_exports') for r in of(records, name, data='fashion_mnist')
            if r['setting']['network'] != 'tinynet_e']


STEP = 'network, px, batch'
QUOTED = ('words',)  # sentences for pages, not printed with the tables
CONTENTS = (  # name in a page, heading, its records, and {table: function}
    ('edge_networks', 'At the edge: the network alone',
     lambda rs: [r for r in of(rs, 'edge_latency') if not r['row'].endswith('files')],
     {'latency': edge_latency, 'throughput': edge_throughput, 'calls': edge_calls, 'words': edge_words}),
    ('edge_files', 'At the edge: from image files',
     lambda rs: [r for r in of(rs, 'edge_latency') if r['row'].endswith('files')], {'latency': edge_files}),
    ('training', 'A training step', lambda rs: of(rs, 'training_step', mode='training'),
     {'summary': lambda these: summary(these, step_rates, STEP),
      'variants': lambda these: variants(these, step_rates, STEP)}),
    ('evaluation', 'An evaluation step', lambda rs: of(rs, 'training_step', mode='evaluation'),
     {'summary': lambda these: summary(these, step_rates, STEP),
      'variants': lambda these: variants(these, step_rates, STEP)}),
    ('input', 'The input', lambda rs: of(rs, 'input_pipeline'),
     {'summary': lambda these: summary(these, input_rates, 'px, workers'),
      'variants': lambda these: variants(these, input_rates, 'px, workers')}),
    ('instruction_sets', "oneDNN's instruction sets", lambda rs: of(rs, 'cpu_instruction_set'),
     {'steps': instruction_sets}),
    ('digits', 'After the quickstart', lambda rs: of(rs, 'compare_exports', data='digits'), {'files': compared}),
    ('digits_epochs', 'Its training', lambda rs: of(rs, 'epochs', data='digits'), {'scores': epochs}),
    ('fashion', 'TinyNet-E on Fashion-MNIST',
     lambda rs: of(rs, 'compare_exports', data='fashion_mnist', network='tinynet_e'), {'files': compared}),
    ('fashion_epochs', 'Its training on Fashion-MNIST',
     lambda rs: of(rs, 'epochs', data='fashion_mnist', network='tinynet_e'), {'scores': epochs}),
    ('other_bases', 'The other bases learn', other_bases, {'networks': learning}),
    ('eight_bits', 'It in eight bits', lambda rs: of(rs, 'quantize', data='digits'), {'files': eight_bits}),
    ('fashion_eight_bits', 'In eight bits on Fashion-MNIST', lambda rs: of(rs, 'quantize', data='fashion_mnist'),
     {'files': eight_bits}),
)


def pieces(records: list) -> dict:
    """Return {'training summary': Markdown, 'training machine': where and when, ...} of all records."""
    found = {}
    for key, _, choose, made in CONTENTS:
        these = choose(records)
        if these:
            found[f'{key} machine'] = machine(these)
            if 'others' in these[0]:
                found[f'{key} machine'] += f"\n\nOther processes used {others(these)} of the processors at most."
            found.update({f'{key} {name}': make(these) for name, make in made.items()})
    return found


def sections(records: list) -> dict:
    """Return {heading: text} of all records: where they were measured, then the tables."""
    found = pieces(records)
    return {heading: '\n\n'.join(found[f'{key} {name}'] for name in ('machine', *made) if name not in QUOTED)
            for key, heading, _, made in CONTENTS if f'{key} machine' in found}


PLACE = re.compile(r'(<!-- records: ([\w ]+) -->\n).*?(<!-- end -->)', re.DOTALL)


def filled(text: str, found: dict) -> str:
    """Return a page with new text between `<!-- records: NAME -->` and `<!-- end -->`. KeyError for an unknown NAME."""
    return PLACE.sub(lambda place: f'{place[1]}{found[place[2]]}\n{place[3]}', text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('records', nargs='+', metavar='RECORDS.jsonl', type=pathlib.Path)
    parser.add_argument('--pages', nargs='+', metavar='PAGE.md', type=pathlib.Path, default=[],
                        help='fill their tables in, in place of printing all')
    args = parser.parse_args()
    found = read(*args.records)
    for page in args.pages:
        page.write_text(filled(page.read_text(), pieces(found)))
    if not args.pages:
        print('\n\n'.join(f'## {heading}\n\n{text}' for heading, text in sections(found).items()))


if __name__ == '__main__':
    main()
