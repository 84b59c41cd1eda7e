"""Files of users: read, and embedded by the reference's rules."""
