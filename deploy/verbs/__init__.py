"""One file per verb of the ``bindstream`` command."""
