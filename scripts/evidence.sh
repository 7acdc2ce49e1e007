#!/usr/bin/env bash
# Makes the runs of docs/evidence/plan.json that docs/evidence/runs does not hold yet; it may be stopped and started again.
#
#   scripts/evidence.sh PROGRAM MODEL GLUE_DIR [OPTIONS]      (scripts/evidence/run.py --help)
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/evidence/run.py" "$@"
