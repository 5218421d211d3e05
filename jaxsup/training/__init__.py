"""One run: updates, losses, observables."""
