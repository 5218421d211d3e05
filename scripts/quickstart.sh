#!/usr/bin/env bash
# From nothing to a first result: install jaxsup in an environment of its own, train the networks of
# the transition at its scale "first" on the CPU, and measure and draw how their exponents change
# with superposition. About a minute on two cores after the installation.
#
#   bash scripts/quickstart.sh [OUTPUT_FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out="${1:-quickstart-output}"
if [ -e "$out" ]; then
    echo "quickstart: expected a new folder; got $out, which exists; remove it or name another" >&2
    exit 2
fi
source scripts/environment.sh ""

"$bin/jaxsup" reproduce transition --scale first --out "$out"
