"""Real devices for tests, without hardware: servers, daemons, ports and files that drivers open."""
