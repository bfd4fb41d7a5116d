"""A model in use: promote it only where the newest data allow, watch it, notice what decays, test changes online."""
