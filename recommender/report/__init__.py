"""Results for people: one HTML file per train, study and comparison, charts, and the terminal."""
