"""What version 0.1 left behind: answers of both providers, files and a receipt, recorded from it."""
