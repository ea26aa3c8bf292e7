"""What runs containers for an environment."""
