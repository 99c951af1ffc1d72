"""A history as text, Markdown, JSON and a page for a browser."""
