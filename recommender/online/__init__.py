"""Online evaluation: A/B tests before and after, interleaving, and off-policy estimates from logged propensities."""
