"""The outside systems: a package for each, which implements one or more of the ports."""
