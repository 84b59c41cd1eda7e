"""What comes over a serial line: the port, what makers send over it, when it was measured."""
