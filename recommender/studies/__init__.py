"""Studies: one thing about the data or the configuration is changed over a grid, and what it does is told."""
