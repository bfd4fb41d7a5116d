"""From popularity to collaborative filtering: measure when to climb, for whom, and at what effort."""

__version__ = "0.1.0"
