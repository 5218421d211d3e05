"""``python -m jaxsup`` is the `jaxsup` command."""

from jaxsup.cli import main

main()
