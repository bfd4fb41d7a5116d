"""The library for use from Python: data from frames, models, evaluations and whole trains."""
