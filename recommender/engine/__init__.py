"""Beyond one machine: the same functions over blocks of queries and users, on Sail or any Spark Connect server."""
