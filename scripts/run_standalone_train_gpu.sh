#!/usr/bin/env bash
# Train on one GPU: bash scripts/run_standalone_train_gpu.sh --config FILE [train.py arguments]. CUDA comes from
# CUDA_HOME or NVIDIA's wheels (cuda.sh). A resumed run uses the device that it was started on.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/cuda.sh"
case " $* " in *' --resume'*) ;; *) set -- "$@" --set runtime.device=GPU ;; esac
exec python "$ROOT/train.py" "$@"
