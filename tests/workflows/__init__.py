"""The workflows of GitHub Actions, and what runs them here."""
