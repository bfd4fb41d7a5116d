"""Closed loops: a policy serves the simulator's users, learns from what they took of its lists, and serves again."""
