"""Questions about single features of one matrix: names, lists, neighbors, subsets."""
