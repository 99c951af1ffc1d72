"""`reconciler history`: who asked for what, what came of it, and how to undo it."""
