"""The engine of studies: the grid of a study, its cells, what is read off them, and what is reported."""
