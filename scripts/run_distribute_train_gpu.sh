#!/usr/bin/env bash
# Train on several GPUs: bash scripts/run_distribute_train_gpu.sh CONFIG [N] [train.py arguments], otherwise as
# run_distribute_train.sh. CUDA comes from CUDA_HOME or NVIDIA's wheels (cuda.sh). See docs/gpu.md.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/cuda.sh"
DEVICE=GPU exec python "$ROOT/src/tinynets/launch.py" train.py "$@"
