"""A trained model as files, and lists for users, items and events that it has not seen."""
