"""Published figures, one file each."""
