#!/usr/bin/env bash
# Evaluate on several devices: bash scripts/run_distribute_eval.sh CHECKPOINT [N] [eval.py arguments]; DEVICE and
# several machines as in run_distribute_train.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh" requirements.txt
exec python "$ROOT/src/tinynets/launch.py" eval.py "$@"
