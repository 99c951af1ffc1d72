"""The rules of the branches that the file declares beside the primary."""
