"""Drills: what is destroyed, what is proved, and what is written down."""
