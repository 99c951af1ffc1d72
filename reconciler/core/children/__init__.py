"""Declared branches besides the primary: what the file says of them, their rules, guards and words."""
