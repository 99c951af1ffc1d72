"""Observes, executes and loops, through the ports."""
