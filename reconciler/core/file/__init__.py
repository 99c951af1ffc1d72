"""The desired-state file: its shape, what it says, what in it is wrong, and how one value of it is changed."""
