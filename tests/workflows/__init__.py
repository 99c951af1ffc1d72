"""The workflows of GitHub Actions, and the commands that they run."""
