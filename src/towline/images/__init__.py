"""Images on their way: registries, layers, archives, and from one engine to another."""
