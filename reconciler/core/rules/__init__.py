"""From what is desired and what is observed to the next safe step. Start at `next_steps`."""
