"""`reconciler doctor`: would a restore work today."""
