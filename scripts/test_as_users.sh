#!/usr/bin/env bash
# As users run it: programs compiled at the usual level of optimization, no types checked at run
# time. What rests on the compiler is tested so, and that bad input is still told in one line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export JAXSUP_TYPECHECK=0
XLA_FLAGS="" bash scripts/test.sh --all tests/training/test_updates*.py tests/sweep/test_trainer*.py
bash scripts/test.sh tests -k bad_input
