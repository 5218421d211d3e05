"""What may be recorded of a network."""
