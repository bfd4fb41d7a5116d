"""What to do next, from the facts of trains and comparisons and from a team's own estimates.

It stands above ``compare``, since it reads the facts of both and measures nothing itself, and below the pages, which
show it.
"""
