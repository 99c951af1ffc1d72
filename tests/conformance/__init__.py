"""Whether the sandbox's Neon is Neon: what a whole test run says, held against Neon's own API description."""
