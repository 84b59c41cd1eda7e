"""The ``bindstream`` command, and the verbs that a reader needs."""
