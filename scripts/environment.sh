# Sourced by the other scripts: makes .venv, installs the package there with the extra given, and
# sets $bin to its commands. Usage: source scripts/environment.sh EXTRA
# PYTHON names the interpreter to start from (default: python3). What is installed is not installed
# again until pyproject.toml changes; remove .venv to begin anew.
python="${PYTHON:-python3}"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "jaxsup: expected Python 3.11 or newer; got $("$python" --version 2>&1); set PYTHON" >&2
    exit 2
fi
if [ ! -x .venv/bin/python ]; then
    "$python" -m venv .venv
fi
bin="$PWD/.venv/bin"
installed=".venv/installed${1:+-$1}.toml"
if ! cmp -s pyproject.toml "$installed"; then
    "$bin/python" -m pip install --quiet --disable-pip-version-check --editable ".${1:+[$1]}"
    cp pyproject.toml "$installed"
    if [ "${1:-}" = dev ]; then
        cp pyproject.toml .venv/installed-test.toml  # dev contains it
    fi
fi
