"""What is ours on an engine, and what only looks so."""

from types import SimpleNamespace

import pytest

from towline.engines.compose import registration
from towline.engines.compose.images import DockerImages
from towline.engines.compose.ownership import CONTENT, REPOSITORY, own_tags

TAGS = {"1.0.0", "1.0.0-abc"}
OURS = {CONTENT: "digest", REPOSITORY: "shop-api"}
NAMES = ["shop-api:1.0.0", "shop-api:1.0.0-abc", "shop-api:demo", "customer/api:1.0.0"]


@pytest.mark.parametrize(
    ("labels", "names", "expected"),
    [
        (OURS, NAMES, NAMES[:2]),
        ({}, NAMES, []),
        (None, NAMES, []),
        # As versions before 0.7 built it.
        ({CONTENT: "digest"}, NAMES[:3], NAMES[:2]),
        ({CONTENT: "digest"}, NAMES, []),
        ({**OURS, REPOSITORY: "host:5000/api"}, ["host:5000/api:1.0.0"], ["host:5000/api:1.0.0"]),
        # The label has the name as it was written, and the engine shortens it.
        ({**OURS, REPOSITORY: "docker.io/acme/api"}, ["acme/api:1.0.0"], ["acme/api:1.0.0"]),
        ({**OURS, REPOSITORY: "index.docker.io/acme/api"}, ["acme/api:1.0.0"], ["acme/api:1.0.0"]),
        ({**OURS, REPOSITORY: "docker.io/library/api"}, ["api:1.0.0"], ["api:1.0.0"]),
        ({**OURS, REPOSITORY: "docker.io/acme/api"}, ["ghcr.io/acme/api:1.0.0"], []),
        ({**OURS, REPOSITORY: "docker.io/acme/api"}, ["api:1.0.0", "other/api:1.0.0"], []),
        (
            {CONTENT: "digest"},
            ["api:1.0.0", "docker.io/library/api:1.0.0-abc"],
            ["api:1.0.0", "docker.io/library/api:1.0.0-abc"],
        ),
    ],
)
def test_a_tag_is_ours_where_we_gave_it(labels, names, expected):
    assert own_tags(labels, names, TAGS) == expected


@pytest.mark.parametrize("labels", [None, {"owner": "somebody"}])
def test_a_volume_with_the_name_of_our_note_is_no_note(labels):
    removed = []
    api = SimpleNamespace(
        inspect_volume=lambda name: {"Name": name, "Labels": labels}, remove_volume=removed.append
    )
    host = SimpleNamespace(docker=lambda: SimpleNamespace(api=api))
    registration.forget(host, "shop", "prod")
    assert removed == []
    labels = {"towline.state": "/var/lib/towline/shop/prod"}
    registration.forget(host, "shop", "prod")
    assert removed == ["towline.shop.prod"]


@pytest.mark.parametrize("written", ["acme/shop:1.4.2", "docker.io/acme/shop:1.4.2"])
def test_an_image_is_pinned_in_the_repository_that_was_asked_for(written):
    digest = "@sha256:" + "a" * 64
    found = {
        "Id": "sha256:1",
        "Config": {},
        "RepoDigests": [f"a/copy{digest}", f"acme/shop{digest}"],
    }
    api = SimpleNamespace(inspect_image=lambda reference: found)
    host = SimpleNamespace(docker=lambda: SimpleNamespace(api=api))
    assert DockerImages(host).find(written).pinned == f"acme/shop{digest}"
