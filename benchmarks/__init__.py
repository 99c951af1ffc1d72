"""Measurements, each a command of its own; no test. `python -m benchmarks.NAME` from the repository's root.

- `drill`: a drill of a large database, against `pg_restore -j2`
- `large_database`: a database of 1 GB in a sandbox
- `long_history`: `reconciler history` in a repository of 10,000 commits
- `many_branches`: a sandbox with 50 branches
- `snapshot`: a snapshot, against plain `pg_dump -Fc`
"""
