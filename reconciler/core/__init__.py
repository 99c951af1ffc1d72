"""Pure decisions: what is asked, what is seen, and the next safe step. No clock, no input or output."""
