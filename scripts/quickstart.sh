#!/usr/bin/env bash
# From nothing to a first result: install jaxsup in an environment of its own, train a thousand
# teacher-student networks on the CPU, fit their training exponents, and draw them.
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

mkdir -p "$out"
"$bin/jaxsup" sweep examples/transition.toml --out "$out/transition.zarr" --widths 4
echo
"$bin/jaxsup" fit "$out/transition.zarr" | tee "$out/transition.txt"
echo
"$bin/jaxsup" plot "$out/transition.zarr" --out "$out/transition.png"
echo "dataset  $out/transition.zarr"
echo "table    $out/transition.txt"
