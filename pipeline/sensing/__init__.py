"""Driver -> samples: the device, the thread that reads it, and what it may do to us."""
