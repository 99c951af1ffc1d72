"""What every command shares: its output, its progress, its exit status, and how signals end it."""
