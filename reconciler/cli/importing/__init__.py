"""`reconciler import`: the desired-state file of what is there already."""
