"""The rules of what was replaced: until when it is kept, and how it is deleted."""
