"""One variant of training_step.py, in a separate process: `step_worker.py VARIANT MODE MODEL,PX,BATCH THREADS`.

A training step is the same work in every variant: forward, cross entropy with label smoothing, backward, RMSProp with
momentum, weight average, reading the loss. In evaluation mode it is the forward pass and reading the logits.
"""
import pathlib
import resource
import sys
import time

import turns

CLASSES, DROPOUT, SMOOTHING, RATE, MOMENTUM, RMS_DECAY, EPSILON, WEIGHT_DECAY, AVERAGE = (
    10, 0.2, 0.1, 1e-3, 0.9, 0.9, 1e-3, 1e-5, 0.999)
WARM_UP = 3
# PyTorch's OpenMP threads spin for about 6 ms after a step (CPU time by os.times()), which must not disturb the next
# variant. OMP_WAIT_POLICY=passive stops that, but makes the step 2.5 times as long (tinynet_e at 64 px, batch 8, two
# cores: 97 instead of 38 ms). So every worker rests after a step before it answers.
REST = 0.03
# Training runs steps without pauses, but a processor that was idle is slow for its first 20 to 30 ms. So a turn begins
# with this many seconds of steps that are not timed, unless a step takes much longer.
RAMP = 0.1


def ours(variant: str, mode: str, model: str, images, labels, threads: int):
    """Return (step, count of parameters) of this package; step() returns the loss, or the logits in evaluation."""
    from mindspore import Tensor, nn

    from tinynets.model import create_model
    from tinynets.native import build
    from tinynets.runtime import configure
    from tinynets.training.ema import WeightAverage
    from tinynets.training.optim import build_optimizer
    from tinynets.training.step import TrainStep
    configure('CPU', threads=threads, kernels='auto' if variant == 'ours' else 'stock')
    if variant == 'ours':
        build.library()  # raises if the stock operators would be used instead
    net = create_model(model, num_classes=CLASSES, dropout=DROPOUT)
    count = sum(p.size for p in net.trainable_params())
    images, labels = Tensor(images), Tensor(labels)
    if mode == 'evaluation':
        net.set_train(False)
        return lambda: net(images).asnumpy(), count
    optimizer = build_optimizer('rmsprop', net, [RATE] * 1000, WEIGHT_DECAY, MOMENTUM, RMS_DECAY, EPSILON)
    step = TrainStep(net, nn.CrossEntropyLoss(label_smoothing=SMOOTHING), optimizer,
                     WeightAverage(net, AVERAGE)).set_train(True)
    return lambda: step(images, labels).asnumpy(), count


def pytorch(variant: str, mode: str, model: str, images, labels, threads: int):
    """Return (step, count of parameters) of timm's network; step() returns the loss, or the logits in evaluation."""
    import timm
    import torch
    from torch.nn.functional import cross_entropy
    from torch.optim.swa_utils import get_ema_multi_avg_fn
    torch.set_num_threads(threads)
    net = timm.create_model(model, num_classes=CLASSES, drop_rate=DROPOUT).train(mode == 'training')
    images, labels = torch.from_numpy(images), torch.from_numpy(labels).long()
    if 'channels_last' in variant:
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    forward = torch.compile(net) if 'compiled' in variant else net
    count = sum(p.numel() for p in net.parameters())
    if mode == 'evaluation':
        return torch.inference_mode()(lambda: forward(images).numpy()), count
    # foreach: on a CPU a little faster than the loop over parameters, its default there
    optimizer = torch.optim.RMSprop(net.parameters(), RATE, alpha=RMS_DECAY, eps=EPSILON, weight_decay=WEIGHT_DECAY,
                                    momentum=MOMENTUM, foreach=True)
    average = get_ema_multi_avg_fn(AVERAGE)  # torch._foreach_lerp_ on all tensors
    weights = [v for v in net.state_dict().values() if v.is_floating_point()]
    shadows = [v.clone() for v in weights]

    def step():
        optimizer.zero_grad()
        loss = cross_entropy(forward(images), labels, label_smoothing=SMOOTHING)
        loss.backward()
        optimizer.step()
        average(shadows, weights, None)
        return loss.item()
    return step, count


def worker(variant: str, mode: str, row: str, threads: int) -> None:
    """Print a line of JSON on the variant; answer every line on stdin with a step's seconds, and their end with MiB."""
    with turns.answering() as answer:
        import numpy as np
        model, resolution, batch = row.split(',')
        shape = int(batch), 3, int(resolution), int(resolution)
        rng = np.random.default_rng(0)
        images = rng.normal(0, 1, shape).astype(np.float32)
        labels = rng.integers(0, CLASSES, shape[0]).astype(np.int32)
        build = pytorch if variant.startswith('torch') else ours
        step, count = build(variant, mode, model, images, labels, threads)
        results = [np.asarray(step()) for _ in range(WARM_UP)]
        if not all(np.isfinite(r).all() for r in results):
            raise ValueError('the loss is not finite' if mode == 'training' else 'the logits are not finite')
        answer({'parameters': count, 'result': float(results[0].mean())})
        seconds = 0.0
        for _ in sys.stdin:
            ramp = time.perf_counter() + RAMP
            while seconds < 5 * RAMP and time.perf_counter() < ramp:
                step()
            begun = time.perf_counter()
            step()
            seconds = time.perf_counter() - begun
            time.sleep(REST)
            answer(seconds)
        answer(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == '__main__':
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'src'))
    worker(*sys.argv[1:4], int(sys.argv[4]))
