"""What `inv init` finds in a project, and what it writes for it."""
