"""The ladder: every rung at every origin, the decision, the router, controls, and the folder of a run."""
