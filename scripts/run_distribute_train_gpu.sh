#!/usr/bin/env bash
# Train on several GPUs: bash scripts/run_distribute_train_gpu.sh CONFIG [N] [train.py arguments], with the python in PATH,
# into which a MindSpore with a GPU back end is installed. Otherwise as run_distribute_train.sh; or, by OpenMPI:
# mpirun -n 8 python train.py --config CONFIG --set runtime.device=GPU --run RUN
set -euo pipefail
DEVICE=GPU exec python "$(dirname "${BASH_SOURCE[0]}")/../src/launch.py" train.py "$@"
