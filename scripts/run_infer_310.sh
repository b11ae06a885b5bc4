#!/usr/bin/env bash
# Classify images in C++: bash scripts/run_infer_310.sh MODEL IMAGES [cpu|ascend] [options of tinynet_infer]
# MODEL is export.py's .mindir or .onnx; where this MindSpore Lite does not read it, the .onnx beside it is converted.
set -euo pipefail
[ $# -ge 2 ] || { sed -n 2,3p "$0" | cut -c3- >&2; exit 2; }
model=$1 images=$2 device=${3:-cpu} onnx=${1%.*}.onnx; shift $(($# < 3 ? 2 : 3))
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../ascend310_infer" && pwd)
build=${BUILD:-$here/build}
[ -x "$build/tinynet_infer" ] || bash "$here/build.sh" >&2 || exit 2
[ -x "$build/tinynet_infer" ] || {
    echo "error: no MindSpore Lite; bash scripts/get_mindspore_lite.sh, or set MINDSPORE_LITE_HOME" >&2; exit 2; }
if [ -f "$onnx" ] && ! "$build/tinynet_infer" --check --model "$model" --device "$device" 2>/dev/null; then
    model=$build/models/$(cat "$onnx" "$onnx.json" | sha256sum | cut -c1-16).mindir
    [ -f "$model.json" ] || { echo "converting $onnx for this MindSpore Lite" >&2; mkdir -p "$build/models"
        "$build/lite_convert" "$onnx" "$model" >&2; }
fi
exec "$build/tinynet_infer" --model "$model" --images "$images" --device "$device" "$@"
