"""Published figures: one file each, with its configuration, measurement, verdict and picture."""
