"""Exact sparse samples."""
