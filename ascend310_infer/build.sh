#!/usr/bin/env bash
# Build the edge programs into ascend310_infer/build, or BUILD: bash ascend310_infer/build.sh [CMake arguments]
# With the SDK in MINDSPORE_LITE_HOME, or of scripts/get_mindspore_lite.sh; otherwise without what is for an Ascend.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${BUILD:-$here/build}
fetched=$(realpath -m "$here/../data/mindspore-lite")
[ -n "${MINDSPORE_LITE_HOME:-}" ] || [ ! -d "$fetched" ] || MINDSPORE_LITE_HOME=$fetched
fail() { echo "error: $1" >&2; exit 2; }
packages='on Debian: apt-get install cmake make g++ libjpeg-dev zlib1g-dev libprotozero-dev'
command -v cmake >/dev/null || fail "no cmake; $packages"
cmake -S "$here" -B "$build" -DMINDSPORE_LITE_HOME="${MINDSPORE_LITE_HOME:-}" "$@" ||
    fail "the build cannot start, for the reason above; what it needs, $packages"
cmake --build "$build" --parallel "${JOBS:-$(nproc)}" || fail 'the build fails, for the reason above'
