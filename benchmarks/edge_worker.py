"""One peer of edge_latency.py, in a separate process: `edge_worker.py ENGINE NETWORK FOLDER PX CROP`.

FOLDER has the files that the parent prepared: `NETWORK.npz` (weights under timm's names), `images/` and, for a batch of
N, `inputs-N.f32`. `edge_worker.py export NETWORK FOLDER` writes timm's own ONNX of the network there for the engines,
and one with the same inputs and outputs that computes nothing, for the engines whose name ends in `_call`, which
measure the cost of a call from Python. A line of stdin is BATCH,THREADS,COPIES,CALLS,SECONDS: every copy makes up to
CALLS calls, fewer after SECONDS, but at least two. The answer has the wall time of every call of every copy, after a
warm-up, in milliseconds, and their total seconds. edge_calls.cc does the same with the C++ program's network.
"""
import os
import pathlib
import resource
import sys
import threading
import time

import numpy as np
import turns

RAMP = 0.1  # seconds of calls that are not timed: an idle processor is slow for its first 20 to 30 ms
LEAST = 2  # calls per copy, however long they take
REST = 0.03  # PyTorch's OpenMP threads spin for about 6 ms after a call, which must not disturb the next engine
IMAGENET_MEAN, IMAGENET_DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def timm_network(network: str, folder: pathlib.Path):
    """Return timm's network with the parent's weights, for inference."""
    import timm
    import torch
    arrays = np.load(folder / f'{network}.npz')
    net = timm.create_model(network, exportable=True).eval()
    state = net.state_dict()
    net.load_state_dict({k: torch.from_numpy(arrays[k]) if k in arrays else v for k, v in state.items()})
    if missing := [k for k in state if k not in arrays and not k.endswith('num_batches_tracked')]:
        raise ValueError(f'{network}: no weights for {missing[:3]}')
    return net


def export(network: str, folder: pathlib.Path) -> None:
    """Write timm's own ONNX file of the network, with a variable batch, and one that computes nothing."""
    import onnx
    import torch
    from onnx import TensorProto, helper
    net = timm_network(network, folder)
    side = net.default_cfg['input_size'][-1]
    free = {'images': {0: 'batch'}, 'logits': {0: 'batch'}}
    torch.onnx.export(net, torch.zeros(2, 3, side, side), str(folder / f'{network}.timm.onnx'), opset_version=17,
                      input_names=['images'], output_names=['logits'], dynamic_axes=free, dynamo=False)
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
               for name, shape in (('images', ['batch', 3, side, side]), ('logits', ['batch', 1000]))]
    ends = [helper.make_tensor(name, TensorProto.INT64, [1], [value])
            for name, value in (('starts', 0), ('ends', 1000), ('axes', 1))]
    nodes = [helper.make_node('Flatten', ['images'], ['flat'], axis=1),
             helper.make_node('Slice', ['flat', 'starts', 'ends', 'axes'], ['logits'])]
    graph = helper.make_graph(nodes, 'nothing', tensors[:1], tensors[1:], ends)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8),
              folder / f'{network}.nothing.onnx')


def onnxruntime_copies(network, folder, inputs, threads, copies, file='timm'):
    """Return one session per copy, each with its own threads."""
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')  # its wheels report use otherwise
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    if copies > 1:  # spinning threads would use the other copies' processors
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    sessions = [onnxruntime.InferenceSession(str(folder / f'{network}.{file}.onnx'), options,
                                             providers=['CPUExecutionProvider']) for _ in range(copies)]
    return [lambda s=s: s.run(['logits'], {'images': inputs})[0] for s in sessions]


def openvino_copies(network, folder, inputs, threads, copies, precision='f32', file='timm'):
    """Return one stream and request per copy of a compiled model, OpenVINO's way to run several at once."""
    import openvino
    model = openvino.Core().read_model(folder / f'{network}.{file}.onnx')
    model.reshape(list(inputs.shape))
    compiled = openvino.Core().compile_model(model, 'CPU', {
        'NUM_STREAMS': copies, 'INFERENCE_NUM_THREADS': threads * copies, 'INFERENCE_PRECISION_HINT': precision,
        'PERFORMANCE_HINT': 'THROUGHPUT' if copies > 1 else 'LATENCY'})
    requests = [compiled.create_infer_request() for _ in range(copies)]

    def call(request):
        request.start_async({'images': inputs}, share_inputs=True)
        request.wait()
        return request.get_output_tensor(0).data
    return [lambda r=r: call(r) for r in requests]


def torch_copies(network, folder, inputs, threads, copies, compiled=False):
    """Return the network in channels-last layout, with one Python thread per copy."""
    import torch
    torch.set_num_threads(threads)
    images = torch.from_numpy(inputs).to(memory_format=torch.channels_last)
    nets = [timm_network(network, folder).to(memory_format=torch.channels_last) for _ in range(copies)]
    if compiled:
        torch._dynamo.reset()  # the number of threads is compiled in
        nets = [torch.compile(net, dynamic=False) for net in nets]

    def call(net):
        with torch.inference_mode():
            return net(images).numpy()
    return [lambda n=n: call(n) for n in nets]


ENGINES = {
    'onnxruntime': onnxruntime_copies,
    'openvino': openvino_copies,
    'openvino_bf16': lambda *a: openvino_copies(*a, precision='bf16'),
    'onnxruntime_call': lambda *a: onnxruntime_copies(*a, file='nothing'),
    'openvino_call': lambda *a: openvino_copies(*a, file='nothing'),
    'torch_eager': torch_copies,
    'torch_compiled': lambda *a: torch_copies(*a, compiled=True),
}


def pillow_decode(path, px, crop):
    """Decode and resize as in the evaluation: antialiased bicubic, central crop, normalised; with both times."""
    from PIL import Image
    begun = time.perf_counter()
    image = Image.open(path).convert('RGB')
    image.load()
    decoded = time.perf_counter()
    short = int(px / crop)
    scale = short / min(image.size)
    image = image.resize((max(short, int(image.width * scale)), max(short, int(image.height * scale))), Image.BICUBIC)
    left, top = (image.width - px) // 2, (image.height - px) // 2
    pixels = np.asarray(image.crop((left, top, left + px, top + px)), np.float32)
    tensor = (pixels / 255 - IMAGENET_MEAN) / IMAGENET_DEVIATION
    return np.ascontiguousarray(tensor.transpose(2, 0, 1)), decoded - begun, time.perf_counter() - decoded


def opencv_decode(path, px, crop):
    """Decode and resize by plain bicubic, which is not antialiased: the pixels differ from the evaluation's."""
    import cv2
    begun = time.perf_counter()
    image = cv2.imread(path, cv2.IMREAD_COLOR)
    decoded = time.perf_counter()
    short = int(px / crop)
    height, width = image.shape[:2]
    scale = short / min(height, width)
    image = cv2.resize(image, (max(short, int(width * scale)), max(short, int(height * scale))),
                       interpolation=cv2.INTER_CUBIC)
    top, left = (image.shape[0] - px) // 2, (image.shape[1] - px) // 2
    pixels = cv2.cvtColor(image[top:top + px, left:left + px], cv2.COLOR_BGR2RGB).astype(np.float32)
    tensor = (pixels / 255 - IMAGENET_MEAN) / IMAGENET_DEVIATION
    return np.ascontiguousarray(tensor.transpose(2, 0, 1)), decoded - begun, time.perf_counter() - decoded


def torchvision_decode(path, px, crop):
    """Decode by torchvision's own decoder and resize tensors by antialiased bicubic."""
    import torch
    from torchvision.io import ImageReadMode, decode_image, read_file
    from torchvision.transforms.v2 import functional as F
    torch.set_num_threads(1)
    begun = time.perf_counter()
    image = decode_image(read_file(path), ImageReadMode.RGB)
    decoded = time.perf_counter()
    image = F.resize(image, [int(px / crop)], F.InterpolationMode.BICUBIC, antialias=True)
    image = F.to_dtype(F.center_crop(image, [px, px]), torch.float32, scale=True)
    tensor = F.normalize(image, IMAGENET_MEAN.tolist(), IMAGENET_DEVIATION.tolist())
    return tensor.numpy(), decoded - begun, time.perf_counter() - decoded


DECODERS = {'pillow': pillow_decode, 'opencv': opencv_decode, 'torchvision': torchvision_decode}


def whole_copies(decoder, network, folder, threads, copies, px, crop):
    """Return calls from image file to logits, by a decoder and ONNX Runtime, with the milliseconds of three parts."""
    files = sorted(str(path) for path in (folder / 'images').iterdir())
    inputs = np.zeros((1, 3, px, px), np.float32)
    copied = [inputs.copy() for _ in range(copies)]
    runs = [onnxruntime_copies(network, folder, array, threads, 1)[0] for array in copied]

    def make(array, run):
        todo = iter(())

        def call():
            nonlocal todo
            path = next(todo, None)
            if path is None:
                todo = iter(files)
                path = next(todo)
            tensor, decode, resize = decoder(path, px, crop)
            begun = time.perf_counter()
            array[0] = tensor
            run()
            return [1000 * decode, 1000 * resize, 1000 * (time.perf_counter() - begun)]
        return call
    return [make(array, run) for array, run in zip(copied, runs)]


def measure(calls: list, count: int, limit: float) -> tuple:
    """Make up to `count` calls of every copy in parallel; return ([(milliseconds, result) per call], total seconds)."""
    done = []

    def work(call):
        start = time.perf_counter()
        for i in range(count):
            begun = time.perf_counter()
            if i >= LEAST and begun - start > limit:
                break
            result = call()
            done.append((1000 * (time.perf_counter() - begun), result))
    others = [threading.Thread(target=work, args=(call,)) for call in calls[1:]]
    begun = time.perf_counter()
    for thread in others:
        thread.start()
    work(calls[0])
    for thread in others:
        thread.join()
    return done, time.perf_counter() - begun


def worker(engine: str, network: str, folder: pathlib.Path, px: int, crop: float) -> None:
    """Answer as the module says: logits of the first image with networks, the parts of each call with decoders."""
    with turns.answering() as answer:
        made, whole = {}, engine in DECODERS
        answer({'engine': engine})
        for line in sys.stdin:
            batch, threads, copies, count = map(int, line.split(',')[:4])
            limit = float(line.split(',')[4])
            layout = batch, threads, copies
            if layout not in made:
                made.clear()  # only one exists at a time, as they would share the processors' caches and threads
                if whole:
                    made[layout] = whole_copies(DECODERS[engine], network, folder, threads, copies, px, crop)
                else:
                    inputs = np.fromfile(folder / f'inputs-{batch}.f32', np.float32).reshape(batch, 3, px, px)
                    made[layout] = ENGINES[engine](network, folder, inputs, threads, copies)
                measure(made[layout], LEAST, limit)
            ramp = time.perf_counter() + RAMP
            while time.perf_counter() < ramp:
                measure(made[layout], 1, limit)
            done, seconds = measure(made[layout], count, limit)
            time.sleep(REST)
            results = [result for _, result in done]
            answer({'ms': [ms for ms, _ in done], 'seconds': seconds,
                    **({'parts': results} if whole else {'logits': np.asarray(results[0], float)[0].tolist()})})
        answer(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == '__main__':
    os.environ.setdefault('OMP_NUM_THREADS', str(len(os.sched_getaffinity(0))))
    if sys.argv[1] == 'export':
        export(sys.argv[2], pathlib.Path(sys.argv[3]))
    else:
        worker(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
