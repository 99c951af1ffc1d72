"""`reconciler drill`: damage a branch of its own on purpose, restore it as production is, and prove it."""
