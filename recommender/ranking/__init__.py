"""From scores to lists: rules, top k, fallback, blends, reserved places, re-rankers, the router."""
