"""Analyses that figures share, or that are too large to stand beside one, with their pictures."""
