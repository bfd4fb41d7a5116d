"""Runnable programs; each reads downward from main()."""
