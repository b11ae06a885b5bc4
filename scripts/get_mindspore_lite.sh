#!/usr/bin/env bash
# Fetch MindSpore Lite's headers and libraries (a Python package, 170 MB; unpacked 480) into data/mindspore-lite or a
# given folder: bash scripts/get_mindspore_lite.sh [FOLDER]; with a wheel fetched elsewhere: WHEEL=file.whl bash ...
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=$(realpath -m "${1:-$root/data/mindspore-lite}")
[ ! -e "$target" ] || { echo "MindSpore Lite: $target exists already"; exit 0; }
fail() { echo "error: $1; give its wheel: WHEEL=file.whl, or an SDK: MINDSPORE_LITE_HOME" >&2; exit 2; }
mkdir -p "$(dirname "$target")"
work=$target.$$-$RANDOM  # next to the target, which is then moved into place atomically
trap 'rm -rf "$work"' EXIT
mkdir "$work"
python=$root/.venv/bin/python; [ -x "$python" ] || python=${PYTHON:-python3}
[ -n "${WHEEL:-}" ] || "$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.7 \
    --implementation cp --platform "manylinux1_$(uname -m)" --platform "manylinux2014_$(uname -m)" --dest "$work" \
    mindspore-lite==2.0.0 || fail 'pip cannot download mindspore-lite'
wheel=${WHEEL:-$(echo "$work"/*.whl)}
"$python" -m zipfile -e "$wheel" "$work/tree" 2>/dev/null && mv -T "$work/tree/mindspore_lite" "$target" ||
    fail "$wheel is not a wheel of mindspore-lite"
echo "MindSpore Lite is in $target"
