#!/usr/bin/env bash
# The documentation site, from docs/ and the docstrings; its programs are run.
#
#   bash scripts/docs.sh            # serve it at http://127.0.0.1:8000, as it changes
#   bash scripts/docs.sh --build    # build it in build/site: warnings and dangling links are errors
#
# Links that leave the site are listed in build/site-external-links.txt and not fetched. Other
# arguments go to mkdocs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/environment.sh docs
# The checkpoints that a notebook reads. Their files alone are used, so nothing that they ask for is.
"$bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    g2p-en==2.1.0 wordllama==0.4.0.post1
export NO_MKDOCS_2_WARNING=1 PYTHONPATH="$PWD"
if [ "${1:-}" = --build ]; then
    exec "$bin/python" -m mkdocs build --strict "${@:2}"
fi
exec "$bin/python" -m mkdocs serve "$@"
