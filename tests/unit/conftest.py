"""Properties have no time limit: a busy machine says nothing about the code."""

import pytest
from hypothesis import settings

from towline.config.redaction import KNOWN

settings.register_profile("towline", deadline=None)
settings.load_profile("towline")


@pytest.fixture(autouse=True)
def _nothing_is_known():
    """What one test made a secret or a public word is neither in the next one."""
    KNOWN.forget()
    yield
    KNOWN.forget()
