"""Fits of every setting of a sweep or a file, as datasets, records and text."""
