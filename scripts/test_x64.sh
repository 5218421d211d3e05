#!/usr/bin/env bash
# With JAX's float64 on, the tests of what users run so: closed forms, spectra, geometry, tables of
# fits beside the theory, and the updates that training is made of. (Fits themselves are NumPy in
# float64 anyway, nulls are spectra of drawn matrices, and other tests of spectra ask for a type
# themselves.) Without the slow ones: they are more cases of the same, and of what does not depend on
# the type.
# Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Types are checked at run time where all tests run.
export JAX_ENABLE_X64=1 JAXSUP_TYPECHECK=0
exec bash scripts/test.sh \
    tests/experiment/test_feature*.py tests/experiment/test_students.py \
    tests/experiment/test_teachers.py tests/experiment/test_optimizers.py \
    tests/experiment/test_extremes.py tests/fit/tables/test_exponents.py \
    tests/fit/tables/test_theory_columns.py tests/geometry tests/spectral/test_batches.py \
    tests/spectral/test_measures.py tests/spectral/test_overlap.py tests/spectral/test_spectral.py \
    tests/theory tests/training/test_updates*.py "$@"
