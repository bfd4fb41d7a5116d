"""From raw tables to a checked data set, and from there to what models may see at each origin."""
