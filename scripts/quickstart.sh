#!/usr/bin/env bash
# From nothing to a trained, checked and exported TinyNet: bash scripts/quickstart.sh
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh" requirements.txt
cd "$ROOT"
exec python quickstart.py "$@"
