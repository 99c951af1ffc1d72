"""The rules of a restore: its guards, its verification, fences, and the method in-place."""
