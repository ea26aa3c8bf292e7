"""Versions, manifest and promotion: from a commit to a deploy tree."""
