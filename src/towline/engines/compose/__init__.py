"""Docker hosts: Compose creates and removes, the Docker SDK observes and acts."""
