"""What every part of the package needs and no user does."""
