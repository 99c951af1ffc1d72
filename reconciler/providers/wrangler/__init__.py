"""wrangler: the command that uploads a Worker, and the wrangler.jsonc files of the checkout."""
