"""`reconciler snapshot`: dumps of local development databases."""
