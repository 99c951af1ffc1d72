"""What every HTTP provider shares: one client with deadlines and retries, rate limits, and a reader of responses."""
