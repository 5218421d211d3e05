"""The dataset on disk: its schema, commits, checkpoints and reading."""
