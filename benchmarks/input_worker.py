"""One variant of input_pipeline.py, in a separate process: `input_worker.py VARIANT FOLDER BATCH`.

Every line on stdin, PX,WORKERS, is answered with the seconds of one pass over the folder's shuffled images: reading,
decoding, a random crop at px x px by antialiased bicubic, flip, float32, normalisation, batches. Nothing is prepared
between turns. The first pass of a PX,WORKERS also starts the variant's workers, which run until the last one.
"""
import multiprocessing
import os
import pathlib
import resource
import sys
import time

import numpy as np
import turns

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AREA, ASPECT, FLIP = (0.08, 1.0), (3 / 4, 4 / 3), 0.5


def ours(variant: str, folder: str, batch: int, px: int, workers: int):
    """Return a function that yields the batches of one pass by this package."""
    from tinynets.data import native
    from tinynets.data.classification import ImageFolder
    from tinynets.data.pipeline import TrainStream
    from tinynets.data.transforms import TrainTransform
    if variant == 'ours' and native.library() is None:
        raise ValueError('the compiled crops are not available; install g++ and libjpeg-dev')
    dataset = ImageFolder(folder, check=False)
    stream = TrainStream(dataset, TrainTransform(px, MEAN, DEVIATION, AREA, ASPECT, FLIP), batch, 0, workers,
                         fast=variant != 'ours_whole')
    passes = iter(range(10 ** 6))

    def batches():
        start = next(passes) * stream.steps_per_epoch
        return stream.batches(start, start + stream.steps_per_epoch)
    return batches


def torchvision(variant: str, folder: str, batch: int, px: int, workers: int):
    """Return the same with torchvision's datasets and transforms and PyTorch's loader."""
    import torch
    from torchvision import datasets, io, transforms
    from torchvision.transforms import v2
    if variant == 'torchvision':
        made, end = transforms, [transforms.ToTensor()]
    else:
        made = v2
        end = [*([] if variant.endswith('tensor') else [v2.ToImage()]), v2.ToDtype(torch.float32, scale=True)]
    transform = made.Compose([
        made.RandomResizedCrop(px, AREA, ASPECT, made.InterpolationMode.BICUBIC, antialias=True),
        made.RandomHorizontalFlip(FLIP), *end, made.Normalize(MEAN, DEVIATION)])
    options = {}
    if variant.endswith('tensor'):
        options['loader'] = lambda path: io.decode_image(path, io.ImageReadMode.RGB)
    loader = torch.utils.data.DataLoader(datasets.ImageFolder(folder, transform, **options), batch, shuffle=True,
                                         num_workers=workers, drop_last=True, persistent_workers=True)
    return lambda: iter(loader)


def timm(variant: str, folder: str, batch: int, px: int, workers: int):
    """Return the same with timm's loader, as its training script makes it for a CPU, without other augmentations."""
    import torch
    from timm.data import ImageDataset, create_loader
    loader = create_loader(ImageDataset(folder), (3, px, px), batch, is_training=True, use_prefetcher=False, scale=AREA,
                           ratio=ASPECT, hflip=FLIP, color_jitter=None, interpolation='bicubic', mean=MEAN,
                           std=DEVIATION, num_workers=workers, device=torch.device('cpu'), persistent_workers=True)
    return lambda: iter(loader)


def one_pass(batches, batch: int, px: int, check: bool) -> dict:
    """Return the seconds and images of a pass; with `check`, which takes time, also mean and std of all pixels."""
    begun, count, moments = time.perf_counter(), 0, []
    for images, _ in batches():
        if tuple(images.shape) != (batch, 3, px, px) or not str(images.dtype).endswith('float32'):
            raise ValueError(f'batches are {tuple(images.shape)} of {images.dtype}')
        if check:
            pixels = np.asarray(images, np.float64)
            moments.append((pixels.mean(), (pixels ** 2).mean()))
        count += 1
    seconds = time.perf_counter() - begun
    mean, square = np.mean(moments, 0) if check else (0.0, 1.0)
    return {'seconds': seconds, 'images': count * batch, 'mean': float(mean), 'std': float((square - mean ** 2) ** 0.5),
            'cpu': cpu_seconds()}


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and its children, including ended ones."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(u.ru_utime + u.ru_stime for u in used)
    for child in multiprocessing.active_children():
        fields = pathlib.Path(f'/proc/{child.pid}/stat').read_text().rsplit(')', 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
    return total


def main() -> None:
    variant, folder, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])
    make = ours if variant.startswith('ours') else timm if variant == 'timm' else torchvision
    with turns.answering() as answer:
        made = None
        if make is not ours:
            import torch  # noqa: F401
        answer('ready')
        for line in sys.stdin:
            px, workers = map(int, line.split(','))
            fresh = made != (px, workers)
            if fresh:
                batches = None  # ends the workers of the row before
                batches, made = make(variant, folder, batch, px, workers), (px, workers)
            answer(one_pass(batches, batch, px, fresh))


if __name__ == '__main__':
    sys.path.insert(0, str(turns.ROOT / 'src'))
    main()
