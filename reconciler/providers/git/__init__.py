"""Git: the repository, its remote, and what is kept on that besides commits: leases, receipts, suspensions."""
