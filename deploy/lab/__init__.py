"""Training and evaluation on the simulated world and on paired files."""
