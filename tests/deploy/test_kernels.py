"""The edge program's kernels compared with NumPy: convolutions' borders, strides, remainders of tiles.

Networks, whose operators are fused and share buffers, are tested against their operators one by one.
"""
import functools
import shutil
import subprocess

import numpy as np
import pytest

from tests.conftest import ROOT

COMPILE = 'c++', '-std=c++17', '-O1', '-Wall', '-Wextra', '-Werror', '-pthread'


@pytest.fixture(scope='module')
def program(tmp_path_factory):
    """Return a function: source name -> function of a program's input bytes that returns its float32 output."""
    # The sanitizer detects access beyond a map, except in masked lanes.
    return compiled(tmp_path_factory.mktemp('kernels'), '-fsanitize=address')


def compiled(folder, sanitizer):
    if not shutil.which('c++'):
        pytest.skip('no c++')
    network, command = ROOT / 'ascend310_infer' / 'network', [*COMPILE, sanitizer]
    subprocess.run([*command, '-c', *network.glob('*.cc')], cwd=folder, check=True)

    def build(name):
        subprocess.run([*command, '-I', network, ROOT / f'tests/deploy/{name}.cc', *folder.glob('*.o'), '-o',
                        folder / name], check=True)

        def answer(kernels, sent):
            done = subprocess.run([folder / name, kernels], input=sent, stdout=subprocess.PIPE)
            if done.returncode == 3:
                pytest.skip(f'no {kernels}')
            assert done.returncode == 0
            return np.frombuffer(done.stdout, np.float32)
        return answer
    return build


@pytest.fixture(scope='module')
def kernels_main(program):
    return program('kernels_main')


@pytest.fixture(scope='module')
def network_main(program):
    return program('network_main')


@pytest.fixture(params=['avx512', 'avx2'])
def run(kernels_main, request):
    return functools.partial(kernels_main, request.param)


@pytest.fixture(params=['avx512', 'avx2'])
def run_network(network_main, request):
    return functools.partial(network_main, request.param)


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


# Activation, ascend310_infer/network/kernels.h
NONE, RELU, RELU6, SIGMOID, SILU, HARD_SWISH = range(6)


def activate(activation, x):
    return [lambda: x, lambda: np.maximum(x, 0), lambda: np.clip(x, 0, 6), lambda: 1 / (1 + np.exp(-x)),
            lambda: x / (1 + np.exp(-x)), lambda: x * np.clip(x + 3, 0, 6) / 6][activation]()


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
        activation, last, arrays = i % 6, i // 2 % 7 - 1, [weights, bias, x]
        y = activate(activation, y)
        if last >= 0:
            arrays += random(rng, y.shape)
            y = activate(last, y + arrays[-1])
        cases.append(((0, kernel, stride, inputs, outputs, height, width, activation, last, 0), arrays, y))
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
                    numbers = (1, kernel, stride, channels, channels, height, width, i % 6, -1, height % 2)
                    y = activate(i % 6, y)
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
                y = depthwise(activate(SILU, convolution(x, widen, first, 1)), weights, bias, stride)
                activation = SILU if height % 2 else NONE
                y = activate(activation, y)
                numbers = (2, kernel, stride, inputs, channels, height, width, activation, -1, width % 2)
                cases.append((numbers, [widen, first, weights, bias, x], y))
    compare(run, cases)


# Operation::Kind, ascend310_infer/network/operation.h
(AFFINE, ADD, MULTIPLY, GATE, MEAN, PAD, LARGEST, CONCATENATE, COPY, TO_CHANNELS_LAST, CONVOLUTION,
 DEPTHWISE) = range(1, 13)


def largest(x, kernel, stride):
    """Of x (images, height, width, channels) under a window."""
    return np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (1, 2))[:, ::stride, ::stride].max((-2, -1))


class Graph:
    """A network that is built operator by operator, with the result of each on some images."""

    def __init__(self, rng, shape, images=3):
        self.rng = rng
        self.values = random(rng, (images, *shape))  # of tensors: the input, then one of each operator
        self.sent, self.read = [], set()

    def add(self, kind, *inputs, kernel=1, stride=1, outputs=None, activation=NONE, scale=1, shift=0):
        """Adds an operator that reads tensors by their numbers; the number of the one it makes."""
        x, *others = (self.values[i] for i in inputs)
        channels, arrays = x.shape[-1], []
        if kind == CONVOLUTION:
            arrays = random(self.rng, (outputs, kernel, kernel, channels), outputs)
            arrays[0] /= np.float32(np.sqrt(channels) * kernel)
            y = np.stack([convolution(image, *arrays, stride) for image in x])
        elif kind == DEPTHWISE:
            arrays = random(self.rng, (channels, kernel, kernel), channels)
            arrays[0] /= np.float32(kernel)
            y = np.stack([depthwise(image, *arrays, stride) for image in x])
        elif kind == AFFINE:
            y = scale * x + shift
        elif kind == LARGEST:
            y = largest(x, kernel, stride)
        else:
            y = {ADD: np.add, MULTIPLY: np.multiply, GATE: np.multiply, COPY: np.array,
                 PAD: lambda x: np.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)]),
                 CONCATENATE: lambda *both: np.concatenate(both, -1), MEAN: lambda x: x.mean((1, 2), keepdims=True),
                 TO_CHANNELS_LAST: lambda x: x.transpose(0, 2, 3, 1)}[kind](x, *others)
        y = activate(activation, y)
        numbers = kind, *inputs, *[-1] * (2 - len(inputs)), kernel, stride, activation, *y.shape[1:]
        arrays = [np.array([scale, shift], np.float32), *arrays]
        self.sent.append(np.array(numbers, np.int32).tobytes() + b''.join(array.tobytes() for array in arrays))
        self.values.append(y)
        self.read.update(inputs)
        return len(self.values) - 1

    def hard_swish(self, x):
        """Add hard swish in the operators of exporters."""
        return self.add(AFFINE, self.add(MULTIPLY, x, self.add(AFFINE, x, shift=3, activation=RELU6)), scale=1 / 6)

    def like(self, shape):
        """The tensors of a shape."""
        return [i for i, value in enumerate(self.values) if value.shape[1:] == shape]

    def bytes(self, threads=3):
        x = self.values[0]
        numbers = len(self.sent), len(x), threads, *x.shape[1:]
        return b''.join([np.array(numbers, np.int32).tobytes(), *self.sent, x.tobytes()])

    def compare(self, answer):
        """Return the program's output for this network."""
        wanted, (operators, *logits) = self.values[-1].ravel(), answer
        assert operators == len(self.sent)
        near = 1e-5 * np.abs(wanted).max()
        np.testing.assert_allclose(np.reshape(logits, (2, -1)), [wanted, wanted], rtol=1e-5, atol=near)


def random_graph(rng, operators):
    """Mostly chains, whose operators may be fused; unread maps are then added to the logits."""
    graph = Graph(rng, (16, 16, 16))
    while len(graph.sent) < operators:
        last = len(graph.values) - 1
        at = last if rng.random() < 0.8 else int(rng.integers(last + 1))
        shape = graph.values[at].shape[1:]
        kind = int(rng.choice([AFFINE, AFFINE, AFFINE, ADD, ADD, MULTIPLY, GATE, MEAN, PAD, LARGEST, CONCATENATE, COPY,
                               TO_CHANNELS_LAST, *[CONVOLUTION] * 4, *[DEPTHWISE] * 3]))
        activation = int(rng.choice([NONE, NONE, RELU, RELU6, SIGMOID, SILU, HARD_SWISH]))
        if kind == AFFINE and rng.random() < 0.3:
            graph.hard_swish(at)
        elif kind == AFFINE:
            scale, shift = ((1, 0), (1, 0), (0.5, 0), (1, -0.25))[rng.integers(4)]
            graph.add(AFFINE, at, activation=activation, scale=scale, shift=shift)
        elif kind in (ADD, MULTIPLY):
            both = rng.permutation([at, int(rng.choice(graph.like(shape)))]).tolist()
            graph.add(kind, *both, activation=activation if kind == ADD else NONE)
        elif kind == GATE:
            gates = graph.like((1, 1, shape[-1]))
            if gates:
                gate = graph.add(AFFINE, int(rng.choice(gates)), activation=SIGMOID)
                graph.add(GATE, at, gate)
        elif kind == CONCATENATE:
            others = [i for i, value in enumerate(graph.values) if value.shape[1:3] == shape[:2]]
            if shape[-1] < 100:
                graph.add(CONCATENATE, at, int(rng.choice(others)))
        elif kind == PAD:
            if max(shape[:2]) < 20:
                graph.add(PAD, at)
        elif kind == LARGEST:
            kernel = int(rng.integers(1, 4))
            if min(shape[:2]) >= kernel:
                graph.add(LARGEST, at, kernel=kernel, stride=int(rng.integers(1, 3)))
        elif kind == CONVOLUTION:
            graph.add(kind, at, kernel=int(rng.choice([1, 1, 1, 3])), stride=int(rng.choice([1, 1, 1, 2])),
                      outputs=int(rng.choice([16, 16, 24, 50])), activation=activation)
        elif kind == DEPTHWISE:
            graph.add(kind, at, kernel=int(rng.choice([3, 5])), stride=int(rng.choice([1, 1, 2])),
                      activation=activation)
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


def test_sums_before_and_behind_activations(run_network):
    graph = Graph(np.random.default_rng(0), (7, 9, 20))
    first = graph.add(CONVOLUTION, 0, outputs=20, activation=RELU)
    second = graph.add(AFFINE, graph.add(ADD, graph.add(CONVOLUTION, first, outputs=20), first), activation=RELU)
    third = graph.add(ADD, graph.add(CONVOLUTION, second, outputs=20, activation=SILU), second, activation=RELU6)
    graph.add(AFFINE, third, activation=SIGMOID)
    graph.compare(run_network(graph.bytes()))


def test_hard_swish_is_one_operator_only_where_nothing_else_reads_its_parts(run_network):
    for part in range(3):
        graph = Graph(np.random.default_rng(part), (5, 5, 20))
        graph.hard_swish(graph.add(CONVOLUTION, 0, outputs=20))
        if part:
            graph.add(ADD, 4, 1 + part)
        graph.compare(run_network(graph.bytes()))


def test_a_gate_before_a_spatial_convolution(run_network):
    graph = Graph(np.random.default_rng(0), (7, 6, 20))
    gated = graph.add(GATE, 0, graph.add(AFFINE, graph.add(MEAN, 0), activation=SIGMOID))
    graph.add(CONVOLUTION, gated, kernel=3, stride=2, outputs=24)
    graph.compare(run_network(graph.bytes()))


def test_two_means_of_a_depthwise_convolution(run_network):
    graph = Graph(np.random.default_rng(0), (7, 6, 20))
    deep = graph.add(DEPTHWISE, 0, kernel=3, activation=RELU)
    graph.add(ADD, graph.add(MEAN, deep), graph.add(AFFINE, graph.add(MEAN, deep), activation=SIGMOID))
    graph.compare(run_network(graph.bytes()))


def test_sums_in_a_batch_that_is_taken_whole(run_network):
    graph = Graph(np.random.default_rng(0), (2, 3, 48))  # of fewer values than the convolutions have weights
    first = graph.add(CONVOLUTION, 0, kernel=3, outputs=48)
    second = graph.add(ADD, graph.add(CONVOLUTION, first, kernel=3, outputs=48), first)
    gated = graph.add(GATE, second, graph.add(AFFINE, graph.add(MEAN, second), activation=SIGMOID))
    third = graph.add(ADD, graph.add(CONVOLUTION, gated, outputs=48), second)
    graph.add(MEAN, graph.add(DEPTHWISE, graph.add(CONVOLUTION, third, outputs=48), kernel=3))
    graph.compare(run_network(graph.bytes()))


ALIKE = [({'shift': 2}, {}, 0), ({'scale': 2}, {}, 0), ({'activation': RELU}, {}, 0), ({}, {'scale': 1 / 5}, 0),
         ({}, {'shift': 1}, 0), ({}, {'activation': RELU}, 0), ({}, {}, 1)]


@pytest.mark.parametrize('clip, divide, factor', ALIKE)
def test_functions_like_hard_swish_are_not_taken_for_it(clip, divide, factor, run_network):
    """With another constant or activation, or a factor other than the clipped value."""
    graph = Graph(np.random.default_rng(0), (5, 5, 20))
    graph.values[0] *= 3  # beyond where it is clipped
    if factor:
        graph.add(AFFINE, 0, scale=2)
    clipped = graph.add(AFFINE, 0, **{'shift': 3, 'activation': RELU6, **clip})
    graph.add(AFFINE, graph.add(MULTIPLY, clipped, factor), **{'scale': 1 / 6, **divide})
    graph.compare(run_network(graph.bytes()))


@pytest.mark.parametrize('kind', [AFFINE, ADD, MULTIPLY, GATE, MEAN, PAD, LARGEST, CONCATENATE, COPY, TO_CHANNELS_LAST])
def test_a_team_shares_operators_on_large_maps(kind, run_network):
    graph = Graph(np.random.default_rng(0), (41, 37, 19), 2)  # more values than are left to one thread
    second = {GATE: (MEAN, 1), ADD: (AFFINE, 2), MULTIPLY: (AFFINE, 2), CONCATENATE: (AFFINE, 2)}.get(kind)
    others = [graph.add(second[0], 0, scale=second[1])] if second else []
    graph.add(kind, 0, *others, kernel=3, stride=2)
    graph.compare(run_network(graph.bytes()))


def test_sigmoids_are_exact_to_half_a_millionth(run_network):
    for activation in (SIGMOID, SILU):
        graph = Graph(np.random.default_rng(0), (10, 10, 41), 2)
        graph.values[0][:] = np.linspace(-20, 20, graph.values[0].size, dtype=np.float32).reshape(2, 10, 10, 41)
        x = graph.values[0].ravel().astype(np.float64)
        graph.add(AFFINE, 0, activation=activation)
        wanted = 1 / (1 + np.exp(-x)) * (x if activation == SILU else 1)
        np.testing.assert_allclose(run_network(graph.bytes())[1:1 + x.size], wanted, rtol=5e-7, atol=0)


def test_networks_that_cannot_run_as_they_stand_are_refused(run_network):
    def graph():
        made = Graph(np.random.default_rng(0), (4, 4, 8))
        made.add(AFFINE, 0, activation=SILU)
        made.add(AFFINE, 1, activation=SIGMOID)
        return made

    def operator(kind, reads):
        return np.array([kind, reads, -1, 1, 1, NONE, 4, 4, 8], np.int32).tobytes() + np.float32([1, 0]).tobytes()
    early, two, none = graph(), graph(), graph()
    early.sent = [operator(AFFINE, 2), operator(AFFINE, 0)]
    two.add(AFFINE, 1)  # beside the other output
    none.sent[1] = operator(0, 1)
    for refused in (early, two, none):
        assert run_network(refused.bytes()).tolist() == [0]


def keeps_nans(graph, answer):
    """Whether a network's output is NaN exactly where NumPy's is."""
    wanted = np.isnan(graph.values[-1])
    assert wanted.any() and not wanted.all()
    for made in answer[1:].reshape(2, *wanted.shape):
        np.testing.assert_array_equal(np.isnan(made), wanted)


@pytest.mark.parametrize('activation', [NONE, RELU, RELU6, SIGMOID, SILU, HARD_SWISH])
@pytest.mark.parametrize('kind', [AFFINE, ADD, CONVOLUTION, DEPTHWISE])
def test_not_a_number_is_not_hidden(kind, activation, run_network):
    graph = Graph(np.random.default_rng(0), (6, 5, 20))
    graph.values[0][1, 2, 3, 4] = np.nan
    others = [graph.add(AFFINE, 0, scale=2)] if kind == ADD else []
    graph.add(kind, 0, *others, kernel=3, outputs=20, activation=activation)
    keeps_nans(graph, run_network(graph.bytes()))


@pytest.mark.parametrize('kind', [MULTIPLY, GATE, MEAN, PAD, CONCATENATE, COPY, TO_CHANNELS_LAST])
def test_operators_without_an_activation_hide_no_nan(kind, run_network):
    graph = Graph(np.random.default_rng(0), (6, 5, 20))
    graph.values[0][1, 2, 3, 4] = np.nan
    second = {MULTIPLY: AFFINE, CONCATENATE: AFFINE, GATE: MEAN}.get(kind)
    others = [graph.add(second, 0)] if second else []
    graph.add(kind, 0, *others)
    keeps_nans(graph, run_network(graph.bytes()))


@pytest.mark.parametrize('kernel', [2, 3])
def test_a_nan_anywhere_in_a_window_is_its_maximum(kernel, run_network):
    """One window per image, with the NaN at each of its places in turn, in one channel of 20."""
    graph = Graph(np.random.default_rng(0), (kernel, kernel, 20), kernel ** 2)
    for place in range(kernel ** 2):
        graph.values[0][place, place // kernel, place % kernel, place] = np.nan
    graph.add(LARGEST, 0, kernel=kernel)
    keeps_nans(graph, run_network(graph.bytes()))


def test_what_a_thread_throws_reaches_the_caller(program):
    assert program('team_main')('', b'').tolist() == [-1, 3, -1, 3]


def test_threads_of_a_team_share_no_scratch_memory(tmp_path):
    """Every step with scratch memory, on a map large enough for several threads, under ThreadSanitizer."""
    source, tried = tmp_path / 'x.cc', tmp_path / 'x'
    source.write_text('int main() {}')
    subprocess.run(['c++', '-fsanitize=thread', source, '-o', tried], stderr=subprocess.DEVNULL)
    if not tried.is_file() or subprocess.run([tried], stderr=subprocess.DEVNULL).returncode:
        pytest.skip('no ThreadSanitizer')
    answer = compiled(tmp_path, '-fsanitize=thread')('network_main')
    graph = Graph(np.random.default_rng(0), (16, 40, 40), 2)
    first = graph.add(CONVOLUTION, graph.add(TO_CHANNELS_LAST, 0), kernel=3, outputs=16)
    wide = graph.add(CONVOLUTION, first, outputs=32, activation=SILU)
    deep = graph.add(DEPTHWISE, wide, kernel=3, activation=SILU)
    gated = graph.add(GATE, deep, graph.add(AFFINE, graph.add(MEAN, deep), activation=SIGMOID))
    summed = graph.add(ADD, graph.add(CONVOLUTION, gated, outputs=16), first)
    graph.add(CONVOLUTION, summed, kernel=3, stride=2, outputs=16)
    graph.compare(answer('avx2', graph.bytes(2)))
