#!/usr/bin/env bash
# Install the test extra in .venv and run the test suite: what is fast, or everything. Workers begin
# with tests that follow each other, and share their fixtures; who has finished takes some of others.
#
#   bash scripts/test.sh [--all] [PYTEST_ARGUMENT ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh test
if [ "${1:-}" = --all ]; then
    set -- -m "" "${@:2}"
fi
exec "$bin/python" -m pytest -n auto --dist worksteal "$@"
