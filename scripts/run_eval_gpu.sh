#!/usr/bin/env bash
# Evaluate on one GPU: bash scripts/run_eval_gpu.sh --checkpoint FILE [eval.py arguments]. CUDA comes from CUDA_HOME or
# NVIDIA's wheels (cuda.sh).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/cuda.sh"
exec python "$ROOT/eval.py" "$@" --device GPU
