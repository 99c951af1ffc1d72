"""Judges a set-up before it is needed: would a restore work today, and what is in its way. Pure."""
