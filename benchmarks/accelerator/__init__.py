"""One command that checks an accelerator, and measures what it can do; see `__main__`."""
