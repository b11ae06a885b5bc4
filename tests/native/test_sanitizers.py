"""The operators under the compiler's sanitizers: no access out of bounds, no undefined behaviour, no data race."""
import concurrent.futures
import os
import pathlib
import re
import subprocess

import pytest

from tinynets.native import build

PROGRAM = pathlib.Path(__file__).with_name('sanitize.cc')
SANITIZERS = {
    # buffers and helper threads are kept to the end on purpose: leaks are not looked for
    'address,undefined': (['-fno-sanitize-recover=all'], {'ASAN_OPTIONS': 'detect_leaks=0'}),
    'thread': ([], {'TSAN_OPTIONS': 'halt_on_error=1'}),
}


def compile_all(folder, flags):
    """Compile cc/*.cc and the program side by side, and link them. Raises CalledProcessError."""
    sources = [*build.SOURCES.glob('*.cc'), PROGRAM]
    sources.sort(key=lambda source: -source.stat().st_size)  # the longest first: they are done together
    operators = re.findall(r'^TINYNETS_OPERATOR\((\w+)', '\n'.join(s.read_text() for s in sources), re.M)
    (folder / 'operators.inc').write_text(''.join(f'OPERATOR({name})\n' for name in operators))

    def run(*command):
        subprocess.run(command, check=True, capture_output=True, text=True)

    def one(source):
        made = folder / f'{source.stem}.o'
        run(*build.compiler(), *flags, f'-I{folder}', '-c', str(source), '-o', str(made))
        return str(made)

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        objects = list(pool.map(one, sources))
    run(*build.compiler(), *flags, *objects, '-o', str(folder / 'sanitize'))
    return sorted(operators)


@pytest.mark.parametrize('sanitizer', SANITIZERS)
def test_no_report(sanitizer, tmp_path):
    """Every operator on many shapes, on one thread, on three, and twice at once."""
    try:
        build.compiler()
    except build.Unavailable as reason:
        pytest.skip(str(reason))
    more, environment = SANITIZERS[sanitizer]
    vectors = build.VECTORS[build.usable_vectors()[0]][0]  # what this processor runs otherwise
    flags = ['-std=c++17', '-O1', '-g1', '-pthread', '-Wno-psabi', *vectors, f'-fsanitize={sanitizer}', *more]
    empty = tmp_path / 'empty.cc'
    empty.write_text('int main() { return 0; }')
    for command in ([*build.compiler(), *flags, str(empty), '-o', str(tmp_path / 'empty')], [str(tmp_path / 'empty')]):
        tried = subprocess.run(command, capture_output=True, text=True)
        if tried.returncode:
            pytest.skip(f'no program with -fsanitize={sanitizer} here: {tried.stderr.strip()[-200:]}')
    operators = compile_all(tmp_path, flags)
    done = subprocess.run([str(tmp_path / 'sanitize')], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **environment})
    assert done.returncode == 0 and not done.stderr, done.stderr[:5000]
    assert done.stdout.split() == operators  # none was forgotten
