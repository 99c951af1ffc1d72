"""The desired-state file of what is there already: how a primary and its Worker are read, and the text of the file."""
