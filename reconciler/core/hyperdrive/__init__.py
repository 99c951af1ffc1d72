"""Hyperdrive: which config belongs to which branch, what is set on it, and how it is led elsewhere."""
