"""What is wrong in towline.yaml is told in its reader's words, not in the library's."""

import pytest
from pydantic import ValidationError

from towline.config.models import Settings
from towline.config.wording import in_words


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"types": {"feat": "big"}}, "must be 'major', 'minor', 'patch' or 'none', not 'big'"),
        ({"breaking": 1}, "must be 'major', 'minor', 'patch' or 'none', not 1"),
        ({"paths": "secret"}, "must be a list"),
        ({"squash": "perhaps"}, "must be true or false"),
        ("v1", "must be a section of `key: value`"),
        ({"tag": 1}, "must be text"),
        ({"tag": "v"}, "write {version} once, such as v{version}"),
        ({"breaking": "x" * 99}, f"must be 'major', 'minor', 'patch' or 'none', not '{'x' * 39}…"),
    ],
)  # fmt: skip
def test_words(given, said):
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"project": "shop", "versions": given})
    assert in_words(caught.value.errors()[0]) == said
