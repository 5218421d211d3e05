"""One power law fitted to a curve: window, noise, checks, interval, or a refusal."""
