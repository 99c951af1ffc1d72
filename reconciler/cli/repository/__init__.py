"""The checkout that a command runs in: its environments, who shares it, and what is suspended."""
