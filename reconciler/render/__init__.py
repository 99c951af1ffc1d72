"""What people and programs read of a plan, a status, a history, a drill: from data to text. Pure."""
