"""Scaling laws: loss against model size and data, with a floor."""
