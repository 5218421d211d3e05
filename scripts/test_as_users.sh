#!/usr/bin/env bash
# As users run it: programs compiled at the usual level of optimization, no types checked at run
# time. What rests on the compiler (the marker `compiler`) is tested so, and that bad input is still
# told in one line; commands never check types, and are left out of that.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export JAXSUP_TYPECHECK=0
XLA_FLAGS="" bash scripts/test.sh -m compiler tests/training tests/sweep
mapfile -t commands < <(grep -l "^import commands$\|^from commands import" tests/cli/test_*.py)
bash scripts/test.sh tests -k bad_input "${commands[@]/#/--ignore=}"
