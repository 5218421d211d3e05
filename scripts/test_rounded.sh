#!/usr/bin/env bash
# On a CPU that multiplies as accelerators do unless they are told not to (tests/rounded_products.py):
# what is trained, evaluated and decomposed must not move. Left out is what forms no product that a
# device rounds (refusals, random numbers, choices), and what forms the same ones once more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Types are checked at run time where all tests run.
export JAXSUP_ROUNDED_PRODUCTS=1 JAXSUP_TYPECHECK=0
exec bash scripts/test.sh -k "not bad_input" tests/training tests/spectral/test_batches.py \
    tests/spectral/test_overlap.py tests/spectral/test_spectral.py tests/theory \
    tests/sweep/test_run.py tests/sweep/test_padding.py \
    --ignore=tests/training/test_batching.py --ignore=tests/training/test_keys.py \
    --ignore=tests/training/test_halved.py --ignore=tests/training/test_lowered_kernels.py \
    --ignore=tests/training/test_precision.py \
    --ignore=tests/training/test_sampling_groups.py --ignore=tests/training/test_trial.py \
    --ignore=tests/training/test_sampling.py --ignore=tests/training/test_updates_choice.py "$@"
