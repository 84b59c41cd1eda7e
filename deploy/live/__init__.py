"""A run on this machine: its Ray, its session, what it shows."""
