"""What every rule needs: the planning context, waivers, limits, and who else is at work."""
