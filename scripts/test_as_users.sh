#!/usr/bin/env bash
# As users run it: programs compiled at the usual level of optimization, no types checked at run
# time. What rests on the compiler (the marker `compiler`) is tested so, and that arguments of wrong
# types are told in one line (`untyped`), where the tests' own checker would answer first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export JAXSUP_TYPECHECK=0 XLA_FLAGS=
exec bash scripts/test.sh -m "(compiler or untyped) and not extended" tests "$@"
