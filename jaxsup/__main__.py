"""``python -m jaxsup`` is the `jaxsup` command."""

from jaxsup.cli.main import main

main()
