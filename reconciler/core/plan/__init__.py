"""The plan: the unfolding of the rules, its digest, warnings, drift, and what a restore does not rewind."""
