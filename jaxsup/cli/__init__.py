"""The `jaxsup` command: one file a subcommand, put together in `main`."""
