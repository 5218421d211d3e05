#!/usr/bin/env bash
# On a CPU that multiplies as accelerators do unless they are told not to (tests/rounded_products.py):
# what is trained, evaluated and decomposed must not move.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export JAXSUP_ROUNDED_PRODUCTS=1
exec bash scripts/test.sh tests/training tests/spectral tests/theory \
    tests/sweep/test_run.py tests/sweep/test_axes.py tests/sweep/test_padding.py "$@"
