"""Who asked for what, when, and what came of it."""
