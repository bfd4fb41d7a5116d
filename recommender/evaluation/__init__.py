"""What lists are worth: metrics per query, exposure, the bias audit, intervals, tests, and measured effort."""
