"""Files of torch.save made by hand, opcode by opcode: valid ones and hostile ones."""
import io
import struct
import zipfile

import numpy as np

from tests.golden import rule
from tinynets.model import create_model
from tinynets.model.weights import torch_names

KINDS = {'float32': 'FloatStorage', 'float16': 'HalfStorage', 'float64': 'DoubleStorage', 'int64': 'LongStorage'}
HEAD, END = b'\x80\x02', b'.'


def state_of(model, classes):
    """Return a network's state dictionary with timm's names, filled by rule.py, with batch norms' counters."""
    net = create_model(model, num_classes=classes)
    names = torch_names(net)
    state = {names[p.name]: rule.weight(names[p.name], p.shape) for p in net.get_parameters()}
    means = [title for title in state if title.endswith('running_mean')]
    return {**state, **{title.replace('running_mean', 'num_batches_tracked'): np.array(9) for title in means}}


def text(value):
    return b'X' + struct.pack('<I', len(value.encode())) + value.encode()


def number(value):
    data = value.to_bytes(value.bit_length() // 8 + 1, 'little', signed=True)
    return b'\x8a' + bytes([len(data)]) + data


def row(*items):
    return b'(' + b''.join(items) + b't'


def name(module, attribute):
    return f'c{module}\n{attribute}\n'.encode()


def call(function, *arguments):
    return function + row(*arguments) + b'R'


def storage(key, kind='FloatStorage', count=4):
    return row(text('storage'), name('torch', kind), text(key), text('cpu'), number(count)) + b'Q'


def tensor(stored, shape=(4,), strides=(1,), offset=0):
    return call(name('torch._utils', '_rebuild_tensor_v2'), stored, number(offset), row(*map(number, shape)),
                row(*map(number, strides)), b'\x89', call(name('collections', 'OrderedDict')))


def mapping(items):
    """An OrderedDict of names and pickled values."""
    return call(name('collections', 'OrderedDict')) + b'(' + b''.join(text(k) + v for k, v in items.items()) + b'u'


def write(path, pickle, storages, root='archive', compression=zipfile.ZIP_STORED, **more):
    """An archive of a pickle and the storages' bytes by key; `more` are other entries by name."""
    with zipfile.ZipFile(path, 'w', compression) as archive:
        archive.writestr(f'{root}/data.pkl', HEAD + pickle + END)
        for key, data in storages.items():
            archive.writestr(f'{root}/data/{key}', data)
        for key, data in more.items():
            archive.writestr(f'{root}/{key}', data)


def write_state(path, arrays, order='little', wrap=None):
    """A state dictionary of arrays, each contiguous in a storage of its own, in a dictionary under `wrap` if given."""
    items, storages = {}, {}
    for key, (title, array) in enumerate(arrays.items()):
        strides = [s // array.itemsize for s in np.ascontiguousarray(array).strides] if array.ndim else []
        items[title] = tensor(storage(str(key), KINDS[array.dtype.name], array.size), array.shape, strides)
        storages[str(key)] = array.astype(array.dtype.newbyteorder('>' if order == 'big' else '<')).tobytes()
    state = mapping(items)
    write(path, mapping({wrap: state, 'epoch': number(3)}) if wrap else state, storages, byteorder=order)


def legacy(pickle, keys, storages):
    """A file of before release 1.6: the storages' counts and bytes as given."""
    out = io.BytesIO()
    for part in (number(0x1950a86a20f9469cfc6c), number(1001), b'}' + text('little_endian') + b'\x88s', pickle,
                 b'](' + b''.join(map(text, keys)) + b'e'):
        out.write(HEAD + part + END)
    for count, data in storages:
        out.write(struct.pack('<q', count) + data)
    return out.getvalue()
