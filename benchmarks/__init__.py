"""Benchmarks: one claim a script, each with its evidence."""
