#!/usr/bin/env bash
# Install the test extra in .venv and run the test suite. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh test
exec "$bin/python" -m pytest -n auto "$@"
