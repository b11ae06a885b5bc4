#!/usr/bin/env bash
# Train on several devices: bash scripts/run_distribute_train.sh CONFIG [N] [train.py arguments], N workers on this
# machine (8; with DEVICE=CPU 2); a run's folder instead of CONFIG resumes it. DEVICE is Ascend, GPU or CPU. Several
# machines: the same on each with MASTER_ADDR, MASTER_PORT, NNODES, NODE_RANK. See docs/distributed.md.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh" requirements.txt
exec python "$ROOT/src/tinynets/launch.py" train.py "$@"
