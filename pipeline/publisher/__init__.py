"""One robot's publisher: what it knows of its streams, and what it tells readers."""
