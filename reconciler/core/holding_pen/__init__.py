"""The holding pen: what is held, until when, why it can or cannot go, and the steps by which it goes."""
