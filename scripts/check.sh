#!/usr/bin/env bash
# Format, lint, types and white space: what has to be clean before a commit, as the hooks of
# .pre-commit-config.yaml check it. Installs the dev extra in .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh dev
"$bin/ruff" format --check .
"$bin/ruff" check .
"$bin/pyright" --pythonpath "$bin/python" --threads 2
git diff --check "$(git hash-object -t tree /dev/null)" -- .
