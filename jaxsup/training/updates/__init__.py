"""Ways to compute an update."""
