"""A local Neon and Cloudflare on real PostgreSQL. Imports nothing else of the project, so that it shares no mistake."""
