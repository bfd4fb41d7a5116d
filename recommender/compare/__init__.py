"""Scenarios side by side: a reduced variant of some studies, read together and told in plain words."""
