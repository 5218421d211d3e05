"""What is trained: data, teacher, network, optimiser, and what is recorded."""
