"""Columns, texts, places and events as numbers that models read."""
