"""Many runs at once: the grid, the programs that train it, and the store that it ends up in."""
