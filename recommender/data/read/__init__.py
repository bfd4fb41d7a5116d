"""Files and databases into tables, exactly as they are; the gate (``schema.py``) decides what they mean."""
