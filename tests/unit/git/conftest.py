"""A small project in a real Git repository, for each test of this folder."""

from repository_fixtures import _own_git_settings, commit, folder, project

__all__ = ["_own_git_settings", "commit", "folder", "project"]
