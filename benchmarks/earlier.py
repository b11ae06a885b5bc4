"""This package and an earlier release of it, side by side on a CPU: `python benchmarks/earlier.py CLONE`.

CLONE is a clone of the repository at the earlier release. Training steps and, with --edge, the C++ program's network
are measured; both releases get the same inputs and, for the C++ program, the same exported network. Each runs in a
separate process, and they take turns, so that a drift of the machine's speed affects both equally. A ratio below 1
means that this release is faster. For --edge build the program in both: `bash ascend310_infer/build.sh`, then
`cmake --build ascend310_infer/build --target tinynet_calls`. The machine must be idle otherwise. Linux only.
"""
import argparse
import os
import pathlib
import statistics
import sys
import tempfile

import edge_latency
import turns

ROWS = ['tinynet_e,106,32', 'tinynet_a,192,8']
LAYOUTS = [(1, 1, 1), (16, 2, 1)]  # batch, threads, copies


def pair(command, clone: pathlib.Path) -> dict:
    """Start both releases' processes: command(root) -> list."""
    environment = {key: value for key, value in os.environ.items() if key not in ('TINYNETS_KERNELS', 'PYTHONPATH')}
    return {name: turns.Worker(command(root), {**environment, 'GLOG_v': '4'})
            for name, root in (('now', turns.ROOT), ('earlier', clone))}


def compare(title: str, workers: dict, line: str, seconds, rounds: int) -> None:
    """Print a row: the medians in milliseconds, the median ratio of the rounds and its quartiles."""
    turn = [0]

    def one_round() -> tuple:
        turn[0] += 1
        names = list(workers) if turn[0] % 2 else list(workers)[::-1]  # neither is always the first
        found = {name: seconds(workers[name].ask(line)) for name in names}
        return found['now'], found['earlier']
    one_round()
    times, share = turns.undisturbed(rounds, lambda: sum(w.cpu_seconds() for w in workers.values()), one_round, 1)
    ratios = [now / earlier for now, earlier in times]
    now, earlier = (1000 * statistics.median(column) for column in zip(*times))
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f'| {title} | {now:.2f} | {earlier:.2f} | {middle:.3f} | {low:.3f} to {high:.3f} | {100 * share:.0f} % |',
          flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('clone', type=pathlib.Path, metavar='CLONE')
    parser.add_argument('--rows', nargs='*', default=ROWS, metavar='MODEL,PX,BATCH', help='of training')
    parser.add_argument('--edge', nargs='*', default=[], metavar='NETWORK')
    parser.add_argument('--rounds', type=int, default=41)
    parser.add_argument('--threads', type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    clone = args.clone.resolve()
    if not (clone / 'benchmarks' / 'step_worker.py').is_file():
        raise ValueError(f'{args.clone}: no benchmarks/step_worker.py in it; give a clone of this repository')
    print(f'{turns.machine()["CPU"]}, {args.rounds} rounds\n\n| | ms now | ms earlier | ratio | quartiles | others |\n'
          '|---|---|---|---|---|---|')
    for row in args.rows:
        workers = pair(lambda root: [sys.executable, root / 'benchmarks' / 'step_worker.py', 'ours', 'training', row,
                                     str(args.threads)], clone)
        compare(f'training {row}', workers, 'step', float, args.rounds)
        for worker in workers.values():
            worker.kill()
    for network in args.edge:
        with tempfile.TemporaryDirectory() as folder:
            mindir = edge_latency.prepare_ours(network, pathlib.Path(folder))['mindir']
            workers = pair(lambda root: [root / 'ascend310_infer' / 'build' / 'tinynet_calls', mindir, 'best', folder],
                           clone)
            for batch, threads, copies in LAYOUTS:
                compare(f'{network}, batch {batch}, {threads} threads', workers,
                        f'{batch},{threads},{copies},10,1.0', lambda answer: statistics.median(answer['ms']) / 1000,
                        args.rounds)
            for worker in workers.values():
                worker.kill()


if __name__ == '__main__':
    sys.path.insert(0, str(turns.ROOT / 'src'))
    from tinynets.runtime import run_entry
    run_entry(main)
