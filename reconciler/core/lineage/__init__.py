"""Which timeline is live, which are held, and to which one a moment belongs."""
