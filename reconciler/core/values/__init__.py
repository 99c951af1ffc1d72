"""Values that everything else is made of: moments, LSNs, timelines, durations, secrets."""
