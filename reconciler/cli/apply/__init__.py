"""`reconciler apply`: the command, one run of it, and its receipt."""
