"""What is trained: data, teacher, network, optimizer, and what is recorded."""
