"""Snapshots of local databases: what one holds, and how it is called."""
