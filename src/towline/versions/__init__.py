"""From commits to the next version, its files, and the release of the project itself."""
