#!/usr/bin/env bash
# Test against the oldest version of every direct dependency that pyproject.toml allows, in an
# environment of its own: $LOWEST (default: .venv/lowest). Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh ""
lowest="${LOWEST:-$PWD/.venv/lowest}"
if [ ! -x "$lowest/bin/python" ]; then
    "$bin/python" -m venv "$lowest"
fi
# Every requirement is "name>=version"; one that is not stops the installation.
mapfile -t pins < <("$bin/python" - <<'EOF'
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
for requirement in project["dependencies"] + project["optional-dependencies"]["test"]:
    name, version = requirement.split(">=")
    print(f"{name}=={version}")
EOF
)
"$lowest/bin/python" -m pip install --quiet --disable-pip-version-check --editable . "${pins[@]}"
"$lowest/bin/python" -m pytest -n auto "$@"
