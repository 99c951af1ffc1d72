"""What is asked for and what was seen, as frozen data."""
