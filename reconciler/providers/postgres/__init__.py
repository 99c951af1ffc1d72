"""PostgreSQL: gates and fences by its protocol; dumps and restores by its programs, also in a container."""
