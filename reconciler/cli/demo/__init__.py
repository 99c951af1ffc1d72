"""The demo: real data, real damage, a restore by commit and its undo, on a sandbox."""
