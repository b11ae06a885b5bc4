#!/usr/bin/env bash
# Train on one device: bash scripts/run_standalone_train.sh --config configs/tinynet_e_digits.yaml [train.py arguments]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh" requirements.txt
exec python "$ROOT/train.py" "$@"
