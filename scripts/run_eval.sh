#!/usr/bin/env bash
# Evaluate a checkpoint: bash scripts/run_eval.sh --checkpoint runs/x/best.ckpt [eval.py arguments]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh" requirements.txt
exec python "$ROOT/eval.py" "$@"
