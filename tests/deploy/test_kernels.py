"""The edge program's kernels against NumPy: convolutions' borders, strides, remainders of tiles; networks, whose operators
are fused and share buffers, against their operators one by one.
"""
import shutil
import subprocess

import numpy as np
import pytest

from tests.conftest import ROOT


COMPILE = 'c++', '-std=c++17', '-O1', '-fsanitize=address', '-Wall', '-Wextra', '-Werror', '-pthread'


@pytest.fixture(scope='module')
def program(tmp_path_factory):
    """A function from a source's name to a function from the cases in bytes that it reads to its float32s."""
    if not shutil.which('c++'):
        pytest.skip('no c++')
    network, folder = ROOT / 'ascend310_infer' / 'network', tmp_path_factory.mktemp('kernels')
    # The sanitizer sees what is read or written beyond a map, masked lanes aside.
    subprocess.run([*COMPILE, '-c', *network.glob('*.cc')], cwd=folder, check=True)

    def build(name):
        subprocess.run([*COMPILE, '-I', network, ROOT / f'tests/deploy/{name}.cc', *folder.glob('*.o'), '-o', folder / name],
                       check=True)

        def answer(sent):
            done = subprocess.run([folder / name], input=sent, stdout=subprocess.PIPE)
            if done.returncode == 3:
                pytest.skip('no AVX-512')
            assert done.returncode == 0
            return np.frombuffer(done.stdout, np.float32)
        return answer
    return build


@pytest.fixture(scope='module')
def run(program):
    return program('kernels_main')


@pytest.fixture(scope='module')
def run_network(program):
    return program('network_main')


def padded(x, kernel):
    return np.pad(x.astype(np.float64), [(kernel // 2,) * 2, (kernel // 2,) * 2, (0, 0)])


def convolution(x, weights, bias, stride):
    """Of x (height, width, inputs) and weights (outputs, kernel, kernel, inputs), in float64."""
    kernel, (height, width, _) = weights.shape[1], x.shape
    x = padded(x, kernel)
    return bias + sum(x[r:r + height, t:t + width][::stride, ::stride] @ weights[:, r, t].T.astype(np.float64)
                      for r in range(kernel) for t in range(kernel))


def depthwise(x, weights, bias, stride):
    """Of x (height, width, channels) and weights (channels, kernel, kernel), in float64."""
    kernel, (height, width, _) = weights.shape[-1], x.shape
    x = padded(x, kernel)
    return bias + sum(x[r:r + height, t:t + width][::stride, ::stride] * weights[:, r, t]
                      for r in range(kernel) for t in range(kernel))


def silu(x):
    return x / (1 + np.exp(-x))


def compare(run, cases):
    """`cases` of ten integers, arrays, what comes of them and the sums over its pixels, or None."""
    sent = b''.join(np.array(numbers, np.int32).tobytes() + b''.join(array.tobytes() for array in arrays)
                    for numbers, arrays, _ in cases)
    wanted = []
    for numbers, _, y in cases:
        wanted += [y.reshape(-1), *([y.sum((0, 1))] if numbers[9] else [])]
    np.testing.assert_allclose(run(sent), np.concatenate(wanted), rtol=1e-5, atol=1e-5)


def random(rng, *shapes):
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def test_convolutions_are_shifted_products(run):
    rng, cases = np.random.default_rng(0), []
    # one to three vectors of outputs with a remainder or none, and every number of rows of a tile, in lines and in all
    pointwise = [(1, 1, int(rng.integers(1, 40)), outputs, 1, pixels)
                 for outputs in (8, 16, 24, 32, 40, 48, 56, 80) for pixels in (*range(1, 19), 29, 300)]
    large = [(1, 1, 700, 20, 13, 11), (1, 1, 3, 1000, 1, 1)]  # in more than one block of pixels; many panels
    spatial = [(kernel, stride, int(rng.integers(1, 9)), int(rng.integers(1, 50)), height, width)
               for kernel in (1, 3, 5, 7) for stride in (1, 2) for height in (1, 2, 6) for width in (1, 3, 16, 31)]
    stem = [(3, 2, 3, 32, 150, 90)]
    for i, (kernel, stride, inputs, outputs, height, width) in enumerate([*pointwise, *large, *spatial, *stem]):
        weights, bias, x = random(rng, (outputs, kernel, kernel, inputs), outputs, (height, width, inputs))
        weights /= np.float32(np.sqrt(inputs) * kernel)
        y = convolution(x, weights, bias, stride)
        activated, added, arrays = i % 2, i // 2 % 2, [weights, bias, x]
        if activated:
            y = silu(y)
        if added:
            arrays += random(rng, y.shape)
            y = y + arrays[-1]
        cases.append(((0, kernel, stride, inputs, outputs, height, width, activated, added, 0), arrays, y))
    compare(run, cases)


def test_depthwise_convolutions_are_shifted_sums(run):
    rng, cases = np.random.default_rng(0), []
    for kernel in (3, 5):
        for stride in (1, 2):
            # every number of outputs at once, widths of which all or none are inner, channels of every remainder
            for i, width in enumerate([*range(1, 20), 23, 46, 92]):
                for height in (1, 2, 3 + i % 7):
                    channels = int(rng.integers(1, 70))
                    weights, bias, x = random(rng, (channels, kernel, kernel), channels, (height, width, channels))
                    y = depthwise(x, weights, bias, stride)
                    y = silu(y) if i % 2 else y
                    numbers = (1, kernel, stride, channels, channels, height, width, i % 2, 0, height % 2)
                    cases.append((numbers, [weights, bias, x], y))
    compare(run, cases)


def test_expansions_are_both_convolutions_one_after_the_other(run):
    rng, cases = np.random.default_rng(0), []
    for kernel in (3, 5):
        for stride in (1, 2):
            # maps that are held whole, and such as are made some rows at a time: of few channels and of many
            for height, width, channels in ((1, 1, 16), (5, 4, 30), (60, 90, 40), (61, 33, 100), (64, 16, 333)):
                inputs = int(rng.integers(1, 30))
                widen, first, weights, bias, x = random(rng, (channels, 1, 1, inputs), channels,
                                                        (channels, kernel, kernel), channels, (height, width, inputs))
                y = depthwise(silu(convolution(x, widen, first, 1)), weights, bias, stride)
                y = silu(y) if height % 2 else y
                numbers = (2, kernel, stride, inputs, channels, height, width, height % 2, 0, width % 2)
                cases.append((numbers, [widen, first, weights, bias, x], y))
    compare(run, cases)


# Operation::Kind, ascend310_infer/network/operation.h
SILU, SIGMOID, ADD, GATE, MEAN, COPY, TO_CHANNELS_LAST, CONVOLUTION, DEPTHWISE = range(1, 10)


class Graph:
    """A network that is made operator by operator, with what each makes of some images."""

    def __init__(self, rng, shape, images=3):
        self.rng = rng
        self.values = random(rng, (images, *shape))  # of tensors: the input, then one of each operator
        self.sent, self.read = [], set()

    def add(self, kind, *inputs, kernel=1, stride=1, outputs=None):
        """Adds an operator that reads tensors by their numbers; the number of the one it makes."""
        x = self.values[inputs[0]]
        channels, arrays = x.shape[-1], []
        if kind == CONVOLUTION:
            arrays = random(self.rng, (outputs, kernel, kernel, channels), outputs)
            arrays[0] /= np.float32(np.sqrt(channels) * kernel)
            y = np.stack([convolution(image, *arrays, stride) for image in x])
        elif kind == DEPTHWISE:
            arrays = random(self.rng, (channels, kernel, kernel), channels)
            arrays[0] /= np.float32(kernel)
            y = np.stack([depthwise(image, *arrays, stride) for image in x])
        else:
            y = {SILU: silu, SIGMOID: lambda x: 1 / (1 + np.exp(-x)), ADD: np.add, GATE: np.multiply,
                 MEAN: lambda x: x.mean((1, 2), keepdims=True), COPY: np.array,
                 TO_CHANNELS_LAST: lambda x: x.transpose(0, 2, 3, 1)}[kind](*(self.values[i] for i in inputs))
        numbers = kind, *inputs, *[-1] * (2 - len(inputs)), kernel, stride, *y.shape[1:]
        self.sent.append(np.array(numbers, np.int32).tobytes() + b''.join(array.tobytes() for array in arrays))
        self.values.append(y)
        self.read.update(inputs)
        return len(self.values) - 1

    def like(self, shape):
        """The tensors of a shape."""
        return [i for i, value in enumerate(self.values) if value.shape[1:] == shape]

    def bytes(self, threads=3):
        x = self.values[0]
        numbers = len(self.sent), len(x), threads, *x.shape[1:]
        return b''.join([np.array(numbers, np.int32).tobytes(), *self.sent, x.tobytes()])

    def compare(self, answer):
        """The program's answer to this network alone."""
        wanted, (operators, *logits) = self.values[-1].ravel(), answer
        assert operators == len(self.sent)
        near = 1e-5 * np.abs(wanted).max()
        np.testing.assert_allclose(np.reshape(logits, (2, -1)), [wanted, wanted], rtol=1e-5, atol=near)


def random_graph(rng, operators):
    """Mostly chains, whose operators may be fused; then everything that nothing reads goes into the logits."""
    graph = Graph(rng, (16, 16, 16))
    while len(graph.sent) < operators:
        last = len(graph.values) - 1
        at = last if rng.random() < 0.8 else int(rng.integers(last + 1))
        shape = graph.values[at].shape[1:]
        kind = int(rng.choice([SILU, SILU, SIGMOID, ADD, ADD, GATE, MEAN, COPY, TO_CHANNELS_LAST, CONVOLUTION, CONVOLUTION,
                               CONVOLUTION, DEPTHWISE, DEPTHWISE]))
        if kind == ADD:
            graph.add(ADD, *rng.permutation([at, int(rng.choice(graph.like(shape)))]).tolist())
        elif kind == GATE:
            gates = graph.like((1, 1, shape[-1]))
            if gates:
                gate = graph.add(SIGMOID, int(rng.choice(gates)))
                graph.add(GATE, at, gate)
        elif kind == CONVOLUTION:
            graph.add(kind, at, kernel=int(rng.choice([1, 1, 1, 3])), stride=int(rng.choice([1, 1, 1, 2])),
                      outputs=int(rng.choice([16, 16, 24, 50])))
        elif kind == DEPTHWISE:
            graph.add(kind, at, kernel=int(rng.choice([3, 5])), stride=int(rng.choice([1, 1, 2])))
        else:
            graph.add(kind, at)
    ends = [graph.add(CONVOLUTION, graph.add(MEAN, i), outputs=4)
            for i in range(len(graph.values)) if i not in graph.read]
    for end in ends[1:]:
        ends[0] = graph.add(ADD, ends[0], end)
    return graph


def test_networks_are_their_operators_one_by_one(run_network):
    rng = np.random.default_rng(0)
    for _ in range(60):
        graph = random_graph(rng, int(rng.integers(1, 25)))
        graph.compare(run_network(graph.bytes()))


def test_a_sum_behind_a_change_of_layout(run_network):
    graph = Graph(np.random.default_rng(0), (8, 8, 8))
    graph.add(ADD, graph.add(CONVOLUTION, graph.add(TO_CHANNELS_LAST, 0), outputs=8), 0)
    graph.compare(run_network(graph.bytes()))


def test_sigmoids_are_exact_to_half_a_millionth(run_network):
    for kind in (SIGMOID, SILU):
        graph = Graph(np.random.default_rng(0), (10, 10, 41), 2)
        graph.values[0][:] = np.linspace(-20, 20, graph.values[0].size, dtype=np.float32).reshape(2, 10, 10, 41)
        x = graph.values[0].ravel().astype(np.float64)
        graph.add(kind, 0)
        wanted = 1 / (1 + np.exp(-x)) * (x if kind == SILU else 1)
        np.testing.assert_allclose(run_network(graph.bytes())[1:1 + x.size], wanted, rtol=5e-7, atol=0)


def test_networks_that_cannot_run_as_they_stand_are_refused(run_network):
    def graph():
        made = Graph(np.random.default_rng(0), (4, 4, 8))
        made.add(SILU, 0)
        made.add(SIGMOID, 1)
        return made

    def operator(kind, reads):
        return np.array([kind, reads, -1, 1, 1, 4, 4, 8], np.int32).tobytes()
    early, two, none = graph(), graph(), graph()
    early.sent = [operator(SILU, 2), operator(SIGMOID, 0)]
    two.add(SILU, 1)  # beside the other output
    none.sent[1] = operator(0, 1)
    for refused in (early, two, none):
        assert run_network(refused.bytes()).tolist() == [0]
