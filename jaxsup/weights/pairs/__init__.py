"""What two matrices share: subspaces, eigenspaces, features."""
