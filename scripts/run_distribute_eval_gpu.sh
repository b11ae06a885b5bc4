#!/usr/bin/env bash
# Evaluate on several GPUs: bash scripts/run_distribute_eval_gpu.sh CHECKPOINT [N] [eval.py arguments], otherwise as
# run_distribute_train_gpu.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/cuda.sh"
DEVICE=GPU exec python "$ROOT/src/tinynets/launch.py" eval.py "$@"
