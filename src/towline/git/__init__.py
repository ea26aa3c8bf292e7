"""The repository: its history, its remote, and the commit of a release or a promotion."""
