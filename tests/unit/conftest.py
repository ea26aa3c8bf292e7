"""Properties have no time limit: a busy machine says nothing about the code."""

from hypothesis import settings

settings.register_profile("towline", deadline=None)
settings.load_profile("towline")
