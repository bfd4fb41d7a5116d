"""Files and databases into tables, exactly as they are; the gate (``gate.py``) decides what they mean."""
