#!/usr/bin/env bash
# Test with the oldest version of every direct dependency that pyproject.toml allows, in an
# environment of its own: $LOWEST (default: .venv/lowest). Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh ""
lowest="${LOWEST:-$PWD/.venv/lowest}"
if [ ! -x "$lowest/bin/python" ]; then
    "$bin/python" -m venv "$lowest"
fi
pins="$("$bin/python" - <<'EOF'
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
for requirement in project["dependencies"] + project["optional-dependencies"]["test"]:
    name, version = requirement.split(">=")
    print(f"{name}=={version}")
EOF
)"
mapfile -t pins <<<"$pins"
"$lowest/bin/python" -m pip install --quiet --disable-pip-version-check --editable . "${pins[@]}"
# Old versions beside newer ones of what they depend on warn of each other.
exec "$lowest/bin/python" -m pytest -n auto -W default "$@"
