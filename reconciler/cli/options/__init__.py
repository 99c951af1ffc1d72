"""Values that several commands take on the command line."""
