"""Labels of prerelease channels are words that semantic versions can hold."""

import pytest
from pydantic import ValidationError

from towline.config.release_sections import Versions
from towline.versions.version import parse


@pytest.mark.parametrize("label", ["", "rc", "beta", "pre-release", "rc1", "a.b", "0a"])
def test_labels(label):
    assert Versions(channels={"next": label}).channels == {"next": label}
    if label:
        assert parse(f"1.0.0-{label}.1")


@pytest.mark.parametrize(
    ("label", "likely"),
    [("feature_x", "feature-x"), ("rc/1", "rc-1"), ("2024", "rc-2024"), ("rc.1", "rc-1"),
     ("-_", "rc"), ("größe", "gr-e"), (" rc", "rc"), ("rc\n", "rc")],
)  # fmt: skip
def test_labels_that_make_no_version(label, likely):
    with pytest.raises(ValidationError, match=f"such as {likely}"):
        Versions(channels={"next": label})
