#!/usr/bin/env bash
# Classify images in C++: bash scripts/run_infer_310.sh MODEL IMAGES [cpu|ascend|DEVICE_ID] [options of tinynet_infer]
# MODEL is export.py's .mindir; a CPU runs it as it is. For an Ascend, the .onnx next to it is converted for the device
# if MindSpore Lite cannot read it. A number is the device id of an Ascend.
set -euo pipefail
[ $# -ge 2 ] || { sed -n 2,4p "$0" | cut -c3- >&2; exit 2; }
model=$1 images=$2 device=cpu onnx=${1%.*}.onnx; shift 2
fail() { echo "error: $1" >&2; exit 2; }
convert() (  # into a folder that is moved into place atomically
    part=$(mktemp -d "$1.XXXXXX") && trap 'rm -rf "$part"' EXIT
    "$build/lite_convert" "$onnx" "$part/model.mindir" "${goal[@]}" >&2 &&
        { mv -T "$part" "$1" 2>/dev/null || [ -d "$1" ]; })
sdk() {  # identifies the SDK by size and time of its libraries
    ldd "$build/lite_convert" | sed -n 's/.*mindspore.* => \(.*\) (.*/\1/p' | xargs -rd '\n' stat -Lc '%s %Y' || true
} 2>/dev/null
origin() {  # of a model: its weights, and the hash of the checkpoint; in manifests of earlier releases the score
    sed -n '/^ "weights":/p' "$1.json"
    grep '^ "checkpoint":' "$1.json" || sed -n '/^ "score": {/,/^ }/p' "$1.json"
}
cann() { echo "${ASCEND_HOME_PATH:-}"; cat "${ASCEND_HOME_PATH:-/none}"/version* || true; } 2>/dev/null
[ ! -d "$model" ] || fail "$model is a folder, MODEL comes first: bash scripts/run_infer_310.sh $images $model"
[[ $model != *.json ]] || fail "$model: a rank table is for training; give MODEL IMAGES [cpu|ascend|DEVICE_ID]"
case ${1:-} in
    [0-9]*) device=ascend; set -- --device-id "$@" ;;
    [!-]*) device=${1,,}; shift; [[ ${1:-} != [0-9]* ]] || set -- --device-id "$@" ;;
esac
options=" $* "
value() { if [[ $options =~ .*" $1 "($3)" " ]]; then echo "${BASH_REMATCH[1]}"; else echo "$2"; fi; }  # or $2
device=$(value --device "$device" '[^ ]+') id=$(value --device-id 0 '[0-9]+') batch=$(value --batch 1 '[0-9]+')
goal=() check=(--device "$device" --device-id "$id")
if [ "$device" = ascend ]; then  # a model accepts the batches it was converted for, on the device it was converted for
    goal=(ascend "$batch" 1 4 8 16)
    [ "$batch" = 1 ] || check+=(--batch "$batch")
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../ascend310_infer" && pwd)
build=${BUILD:-$here/build}
[ -x "$build/tinynet_infer" ] || bash "$here/build.sh" >&2 || exit 2
same_origin() { [ ! -f "$1.json" ] || [ "$(origin "$1")" = "$(origin "$2")" ] ||
    fail "$2 was exported from another checkpoint than $1; export both again"; }
if [ "$device" = cpu ] && [[ $model == *.onnx ]]; then
    mindir=${model%.*}.mindir
    [ -f "$mindir" ] || fail "$model: a CPU runs MINDIR files; export one: python export.py --format MINDIR,ONNX"
    same_origin "$model" "$mindir"
    model=$mindir
fi
if [ "$device" = ascend ] && [ -f "$onnx" ] && [ -f "$onnx.json" ] &&
    ! refusal=$("$build/tinynet_infer" --check --model "$model" "${check[@]}" 2>&1 | tail -n 1)
then
    same_origin "$model" "$onnx"
    [ -x "$build/lite_convert" ] ||
        fail "${refusal#error: }; and there is no converter of $onnx in the build"
    made=$({ cat "$onnx" "$onnx.json"; sdk; echo "${goal[*]}"; cann; } | sha256sum)
    made=$build/models/${made:0:16}
    [ -d "$made" ] || { echo "converting $onnx for MindSpore Lite on an Ascend" >&2
        mkdir -p "$build/models" && convert "$made" || exit 2; }
    model=$made/model.mindir
fi
exec "$build/tinynet_infer" --model "$model" --images "$images" --device "$device" "$@"
