"""Studies: change one thing about the data or the configuration over a grid, and report what that does."""
