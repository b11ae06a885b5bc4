#!/usr/bin/env bash
# Makes the environment and runs the tests, two files at a time: bash scripts/run_tests.sh [pytest arguments]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh" requirements-dev.txt
cd "$ROOT"
exec python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
