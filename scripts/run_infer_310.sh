#!/usr/bin/env bash
# Classify images in C++: bash scripts/run_infer_310.sh MODEL IMAGES [cpu|ascend] [options of tinynet_infer]
# MODEL is export.py's .mindir or .onnx; where this MindSpore Lite does not read it, the .onnx beside it is converted.
set -euo pipefail
[ $# -ge 2 ] || { sed -n 2,3p "$0" | cut -c3- >&2; exit 2; }
model=$1 images=$2 device=${3:-cpu} onnx=${1%.*}.onnx; shift $(($# < 3 ? 2 : 3))
fail() { echo "error: $1" >&2; exit 2; }
convert() (  # into a folder that is there whole or not at all
    part=$(mktemp -d "$1.XXXXXX") && trap 'rm -rf "$part"' EXIT
    "$build/lite_convert" "$onnx" "$part/model.mindir" >&2 && { mv -T "$part" "$1" 2>/dev/null || [ -d "$1" ]; })
sdk() {  # what tells one from another: size and time of its libraries
    ldd "$build/lite_convert" | sed -n 's/.*mindspore.* => \(.*\) (.*/\1/p' | xargs -rd '\n' stat -Lc '%s %Y' || true
} 2>/dev/null
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../ascend310_infer" && pwd)
build=${BUILD:-$here/build}
[ -x "$build/tinynet_infer" ] || bash "$here/build.sh" >&2 || exit 2
[ -x "$build/tinynet_infer" ] || fail 'no MindSpore Lite; bash scripts/get_mindspore_lite.sh, or set MINDSPORE_LITE_HOME'
id=0 && [[ " $* " =~ .*" --device-id "([0-9]+)" " ]] && id=${BASH_REMATCH[1]}
if [ -f "$onnx" ] && [ -f "$onnx.json" ] &&
    ! refusal=$("$build/tinynet_infer" --check --model "$model" --device "$device" --device-id "$id" 2>&1 | tail -n 1)
then
    [ -x "$build/lite_convert" ] || fail "${refusal#error: }; and this MindSpore Lite has no library that converts $onnx"
    made=$build/models/$({ cat "$onnx" "$onnx.json"; sdk; } | sha256sum | cut -c1-16)
    [ -d "$made" ] || { echo "converting $onnx for this MindSpore Lite" >&2
        mkdir -p "$build/models" && convert "$made" || exit 2; }
    model=$made/model.mindir
fi
exec "$build/tinynet_infer" --model "$model" --images "$images" --device "$device" "$@"
