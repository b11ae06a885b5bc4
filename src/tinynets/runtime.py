"""Device, mode, threads, seed, workers and exit. Differences between MindSpore's releases are handled here only."""
from __future__ import annotations

import atexit
import contextlib
import ctypes
import inspect
import multiprocessing
import os
import re
import resource
import signal
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Callable, Iterator, Optional

from tinynets import output, stopping
from tinynets.commands import spoken
from tinynets.output import absent, describe, lacking, printable
from tinynets.stopping import INTERRUPTED, Interrupted
from tinynets.text import say_once

USER_ERROR = 2  # the exit code of a user's mistake
# bytes of MindSpore 2.10 on x86-64: predict.py ran within 2,500 MB, nothing within 2,100, no training within 2,900
ADDRESSES, TRAINING_ADDRESSES = 2200 * 1000 ** 2, 2900 * 1000 ** 2

_rank, _size = 0, 1


def configure(device: str = 'auto', mode: str = 'graph', threads: int = 0, device_id: int = 0, seed: int = 0,
              kernels: str = 'auto', jit_level: str = 'auto') -> str:
    """Set device, execution mode, compilation, the CPU's threads and operators, and the seed; return the device's name.

    Call it before the first operation. 'auto' is Ascend if MindSpore finds one, else CPU; a GPU, untested on hardware,
    must be named explicitly. On a CPU with AVX-512, oneDNN is limited to AVX2 unless ONEDNN_MAX_CPU_ISA is set, as its
    AVX-512 depthwise convolutions are three to four times slower in these networks (docs/performance.md). A process
    that was started as one of several workers (docs/distributed.md) joins the others here. Raises ValueError for a
    missing device.
    """
    warnings.filterwarnings('ignore', module='PIL')  # remarks on unusual but readable images, one per file
    os.environ.setdefault('GLOG_v', '3')  # errors only: MindSpore's warnings are for its developers
    os.environ.setdefault('ONEDNN_MAX_CPU_ISA', 'AVX2')
    if threads:
        os.environ['OMP_NUM_THREADS'] = str(threads)
    check_addresses()
    import mindspore as ms

    from tinynets.native import choose, default_threads
    if device == 'auto':
        device = 'CPU' if not hasattr(ms, 'hal') or _lacks(ms, 'Ascend') else 'Ascend'  # 2.0 logs errors when asked
        if device == 'CPU' and os.path.exists(ASCEND_DRIVER):
            print(f'the CPU is used although this machine has an Ascend: {without_cann()}', file=sys.stderr)
    device_id = _local_rank() if launched() else device_id
    missing = _lacks(ms, device, device_id or 0)
    if missing:
        advice = without_cann() if device == 'Ascend' else 'use CPU, or see docs/gpu.md'
        raise ValueError(f'device {device}: {missing} with MindSpore {ms.__version__} on this machine; {advice}')
    level = compile_level(jit_level, device)
    check_launch(device)
    if device != 'CPU':
        _set_device(ms, device, device_id)
    elif ms.get_context('device_target') != 'CPU':  # after the first operation, setting even the same device fails
        _set_device(ms, 'CPU', 0)
    if launched() and device == 'CPU':
        threads = threads or default_threads()  # workers share the processors
    ms.set_context(mode=ms.GRAPH_MODE if mode == 'graph' else ms.PYNATIVE_MODE)
    if threads:
        ms.set_context(runtime_num_threads=threads)
    if device == 'Ascend':
        _dispatch_by_several(ms)
    _compile_at(ms, level, device)
    if launched() and _size == 1:
        _join()
    ms.set_seed(seed)
    usable = hasattr(ms, 'set_device')  # the operators need graphs of recent releases
    if kernels == 'auto' and device == 'CPU' and not usable:
        say_once(f"CPU kernels need MindSpore 2.5 or later, this is {ms.__version__}; the framework's slower operators "
                 'are used')
    choose(kernels if usable else 'stock', threads)
    return device


def rank() -> int:
    """Return this process's number among the workers, counted from 0; only worker 0 prints and writes."""
    return _rank


def size() -> int:
    """Return the number of workers that train or evaluate together, 1 for a single process."""
    return _size


def launched() -> bool:
    """Whether this process was started as one of several, by scripts/, msrun or mpirun."""
    return 'MS_ROLE' in os.environ or _number('OMPI_COMM_WORLD_SIZE') > 1


def check_addresses(needed: int = ADDRESSES) -> None:
    """Raise ValueError if `ulimit -v` leaves MindSpore fewer bytes of addresses, without which it would crash."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise ValueError(f'ulimit -v allows {limit // 1000 ** 2:,} MB of addresses; MindSpore needs at least '
                         f'{needed // 1000 ** 2:,} MB here; raise the limit')


def check_launch(device: str) -> None:
    """Raise ValueError if processes that were started together would not meet.

    MindSpore's own errors do not say what is missing, or each process would train alone, all in the same run folder.
    """
    environment, several = os.environ, launched()
    how = 'start the workers by scripts/run_distribute_train.sh or msrun (docs/distributed.md)'
    needed = ('MS_WORKER_NUM', 'MS_SCHED_HOST', 'MS_SCHED_PORT') if 'MS_ROLE' in environment else ()
    missing = [name for name in needed if not environment.get(name)]
    if missing:
        raise ValueError(f'MS_ROLE is set without {", ".join(missing)}; {how}')
    if _by_table() and not several:
        raise ValueError('RANK_TABLE_FILE: MindSpore no longer starts workers by a rank table alone; start them by '
                         'scripts/run_distribute_train.sh, or by msrun --rank_table_file (docs/distributed.md)')
    if device == 'CPU' and several and (_by_table() or 'MS_ROLE' not in environment):
        raise ValueError(f"{'a rank table' if _by_table() else 'mpirun'}: MindSpore's CPU workers meet by its "
                         f'scheduler only; {how}' + (', without RANK_TABLE_FILE' if _by_table() else ''))
    alone = {'MS_WORKER_NUM': 1, 'RANK_SIZE': 1, 'RANK_ID': 0, 'PMI_SIZE': 1, 'SLURM_STEP_NUM_TASKS': 1}
    sign = next((name for name, most in alone.items() if _number(name) > most), None)
    if sign and not several:
        raise ValueError(f'{sign}={environment[sign]} says that this is one of several processes, but not how they '
                         f'meet; {how}, or unset {sign} to run it alone')


def _number(name: str) -> int:
    """Return a number in the environment, 0 if it is not set."""
    text = os.environ.get(name) or '0'
    if not text.isdigit():
        raise ValueError(f'{name}={text} in the environment: must be a number')
    return int(text)


def _by_table() -> bool:
    return bool(os.environ.get('RANK_TABLE_FILE')) and _number('RANK_SIZE') > 1


def _join() -> None:
    """Join the other workers, by hccl, nccl or, on the CPU, mccl. The scheduler's process runs and exits here."""
    global _rank, _size
    from mindspore.communication import get_group_size, get_rank, init
    if os.environ.get('MS_ROLE') == 'MS_SCHED':
        for number in stopping.SIGNALS:  # it ends when the workers have ended
            signal.signal(number, signal.SIG_IGN)
        init()
        sys.exit(0)
    with stopping.at_once():  # there is nothing to save yet, and the others may never come
        init()
    if os.environ.get('TINYNETS_MET'):
        os.close(int(os.environ.pop('TINYNETS_MET')))  # tells the launcher; no other thread can run during init()
    atexit.register(_close_stderr)
    _rank, _size = get_rank(), get_group_size()
    if _rank == 0:
        _speak_to_terminal()


def _speak_to_terminal() -> None:
    """Write to the terminal if the launcher gave it to another worker: MindSpore 2.0 numbers workers as they arrive."""
    if os.environ.get('RANK_ID', '0') != '0' and os.environ.get('TINYNETS_TERMINAL'):
        for number, terminal in enumerate(os.environ['TINYNETS_TERMINAL'].split(','), start=1):
            os.dup2(int(terminal), number)


def _local_rank() -> Optional[int]:
    """Return the device of this worker; with None MindSpore assigns one to each worker of this machine.

    MindSpore's scheduler does so for workers without a DEVICE_ID, as in its documentation, unless a device is set.
    Under mpirun a DEVICE_ID may come from the shell and be the same for all workers, so it is ignored.
    """
    if 'MS_ROLE' in os.environ:
        return _number('DEVICE_ID') if os.environ.get('DEVICE_ID') else None
    return _number('OMPI_COMM_WORLD_LOCAL_RANK')


def _close_stderr() -> None:
    """Close standard error, as MindSpore logs lines when it leaves the other workers, whatever GLOG_v is."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _dispatch_by_several(ms) -> None:
    """Set five threads for starting operators, the documented default; with fewer than 12 processors MindSpore uses
    one.

    With one thread it refuses graphs with a condition on an Ascend, such as for a loss scale.
    """
    try:
        ms.runtime.dispatch_threads_num(5)
    except (AttributeError, RuntimeError):  # an earlier release; already set, for example by an earlier call
        pass


def _set_device(ms, device: str, device_id: Optional[int]) -> None:
    if hasattr(ms, 'set_device'):
        ms.set_device(device, device_id)
    else:  # before 2.5
        ms.set_context(device_target=device, **({} if device_id is None else {'device_id': device_id}))


def compile_level(asked: str, device: str) -> str:
    """Return MindSpore's jit_level for `runtime.jit_level` on a device: 'auto' is O1 on an Ascend, else O0.

    Raises ValueError for O2 without an Ascend, as it needs the graph engine.
    """
    if asked == 'O2' and device != 'Ascend':
        raise ValueError('runtime.jit_level=O2: compiles by the graph engine of an Ascend, and the device is '
                         f'{device}; use auto, O0 or O1')
    return asked if asked != 'auto' else 'O1' if device == 'Ascend' else 'O0'


def _compile_at(ms, level: str, device: str) -> None:
    """Set MindSpore's level if necessary. Its default is O0, except on the first Ascend 910."""
    try:
        before = ms.get_context('jit_config') or {'jit_level': 'O0'}
    except ValueError:  # MindSpore 2.0 has no levels
        return
    if device == 'Ascend' or before['jit_level'] != level:
        ms.set_context(jit_config={'jit_level': level})


def fuses_updates() -> bool:
    """Whether an optimizer updates each parameter by one of the framework's fused operators.

    They save kernel launches: an Ascend or a GPU can start only about 100,000 per second. On a CPU they split a tensor
    among threads by measured times and round differently at the borders, so a resumed run would drift from the
    uninterrupted one.
    """
    import mindspore as ms
    return ms.get_context('device_target') != 'CPU'


def on_cpu(function: Callable, *arguments):
    """Return function(*arguments), computed on the CPU, in a separate process if this one has another device.

    Convolutions round float32 to 10 or 11 bits on a GPU (TF32) and an Ascend (HF32), and MindSpore cannot switch that
    after operators have run; exact comparisons are therefore computed on the CPU. `function` must be defined at a
    module's top level. Raises what the function raises, and ValueError if its process is killed.
    """
    import mindspore as ms
    if ms.get_context('device_target') == 'CPU':
        return function(*arguments)
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn'), _begin_on_cpu) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            raise ValueError('the process that computes on the CPU was killed, perhaps for lack of memory') from None


def _begin_on_cpu() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the waiting process handles it
    configure('CPU')


def lack_of(device: str) -> str:
    """Return what is missing for a device, '' if it can be used."""
    import mindspore as ms
    return _lacks(ms, device)


def _lacks(ms, device: str, number: int = 0) -> str:
    """Return what is missing for the device, '' if it can be used.

    The GPU back end loads if CUDA's libraries are found, so the GPUs are counted; without a driver the count fails.
    """
    if device == 'CPU':
        return ''
    try:
        if not hasattr(ms, 'hal'):  # before 2.3
            ms.set_context(device_target=device)
            return 'none found' if device == 'GPU' and ctypes.CDLL('libcuda.so.1').cuInit(0) else ''
        if not ms.hal.is_available(device):
            return 'not available'
        count = ms.hal.device_count(device) if device == 'GPU' else number + 1
    except (ValueError, RuntimeError, OSError) as error:  # OSError: no libcuda.so.1
        reason = re.search(r'\[\d+\], *(\S.*)', str(error))  # "The cudaGetLastError[35], CUDA driver version is ..."
        return f'none found ({reason[1]})' if reason else 'not available'
    return '' if number < count else f'no number {number} among the {count} found' if count else 'none found'


ASCEND_DRIVER = '/dev/davinci_manager'  # made by the driver of any Ascend
CANN_VERSIONS = '8.2, 8.3, 8.5, 9.0 or 9.1'  # the versions that MindSpore 2.10 lists
CANN_FOLDERS = ('/usr/local/Ascend/cann', '/usr/local/Ascend/ascend-toolkit', '~/Ascend/cann',
                '~/Ascend/ascend-toolkit')


def without_cann() -> str:
    """Return advice if MindSpore finds no Ascend: what is missing of CANN, its library."""
    home = os.environ.get('ASCEND_HOME_PATH', '')
    if home and os.path.isdir(home):
        return (f'CANN is in {home}; is it {CANN_VERSIONS}, does npu-smi info list a device, and were '
                'requirements-ascend.txt and its te and hccl wheels installed? See docs/ascend.md')
    what = f'ASCEND_HOME_PATH={printable(home)} is not a folder' if home else 'ASCEND_HOME_PATH is not set'
    scripts = [os.path.expanduser(f'{folder}/set_env.sh') for folder in CANN_FOLDERS]
    found = next((script for script in scripts if os.path.isfile(script)), None)
    how = f'source {found}' if found else f'install CANN {CANN_VERSIONS}, source its set_env.sh'
    return f'{what}: {how} and pip install -r requirements-ascend.txt (docs/ascend.md), or use CPU'


def crc_check(function: Callable) -> dict:
    """Return the option of MindSpore's checkpoint functions for a checksum, which 2.0 does not have."""
    return {'crc_check': True} if 'crc_check' in inspect.signature(function).parameters else {}


def chooses_precision() -> bool:
    """Whether mixed precision has a type and the level auto, as in releases after 2.0."""
    from mindspore import amp
    return 'dtype' in inspect.signature(amp.auto_mixed_precision).parameters


@contextlib.contextmanager
def graph_engine() -> Iterator[None]:
    """Compile by Ascend's graph engine within the block; only it writes AIR, and it is not later Ascends' default."""
    import mindspore as ms
    try:
        before = ms.get_context('jit_config') or {'jit_level': 'O0'}
    except ValueError:  # MindSpore 2.0 has no other way
        yield
        return
    ms.set_context(jit_config={'jit_level': 'O2'})
    try:
        yield
    finally:
        ms.set_context(jit_config=before)


def onnx_runtime():
    """Return the module onnxruntime with telemetry turned off.

    Its wheels have reported models and their use on Linux since 1.29, and leave a file in the temporary folder.
    ORT_DISABLE_TELEMETRY in the environment has precedence. Raises ImportError if it is not installed.
    """
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    import onnxruntime
    return onnxruntime


def sinks_data(device: str) -> bool:
    """Whether the device runs many steps per call with data sinking."""
    return device in ('Ascend', 'GPU')


def run_entry(main: Callable[[], Optional[int]], log: bool = False) -> None:
    """Run a command and exit: with one line and code 2 after a user's mistake, with 130 after a stop on request.

    A lack of space, memory or processes also prints one line and exits with 2. A reader of the output that goes away
    changes nothing. Output that cannot be written for another reason makes the exit code 2 after the work, unless it is
    only a `log` and the results are files. TINYNETS_DEBUG=1 in the environment shows the traceback of an error.
    """
    output.guard(log)  # first, before other descriptors get the numbers of closed streams
    stopping.listen()
    crippled = False
    try:
        code = main() or 0
    except SystemExit as end:  # argparse
        code = end.code
    except (Interrupted, KeyboardInterrupt) as stop:
        code = INTERRUPTED
        if stopping.answers():
            _failed(str(stop) or 'interrupted', code)
    except Exception as error:
        a_line = isinstance(error, (ValueError, OSError)) or lacking(error) or absent(error)
        if os.environ.get('TINYNETS_DEBUG') or not a_line:
            raise
        code = _failed(f'error: {describe(error)}', USER_ERROR)
        crippled = bool(lacking(error))
    lost = output.lost_output()
    if lost and not log and not code:
        code = _failed(f'error: standard output: {lost.strerror}; what was to be printed is lost', USER_ERROR)
    stopping.done()
    if crippled:  # a partly loaded framework, or one without memory, aborts at the interpreter's exit
        os._exit(code)
    sys.exit(code)


def _failed(line: object, code: int) -> int:
    print(spoken(str(line)), file=sys.stderr, flush=True)
    return code
