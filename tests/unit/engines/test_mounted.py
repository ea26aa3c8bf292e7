"""Which containers mount what was deleted: an engine that cannot say is no answer."""

from pathlib import Path

import pytest

from towline.engines.compose.mounted import detached
from towline.engines.observed import Container
from towline.errors import EngineRefused, NoSuchObject

ROOT = Path("/var/lib/towline/shop/prod")
CONTAINER = Container(id="c1", name="shop-nginx-1", service="nginx", role="router", state="running")
DELETED = b"12 1 0:1 /live/nginx//deleted /etc/nginx rw - ext4 /dev/a rw\n"


class Api:
    """An engine with one container."""

    def __init__(self, said):
        self.said = said

    def inspect_container(self, name):
        return {"Mounts": [{"Source": str(ROOT / "live/nginx"), "Destination": "/etc/nginx"}]}

    def exec_create(self, name, command):
        if isinstance(self.said, Exception):
            raise self.said
        return {"Id": "e1"}

    def exec_start(self, name):
        return self.said


def test_a_mount_of_a_deleted_folder_is_found():
    assert detached(Api(DELETED), [CONTAINER], ROOT) == [CONTAINER]
    assert detached(Api(DELETED.replace(b"//deleted", b"")), [CONTAINER], ROOT) == []


@pytest.mark.parametrize("error", [
    NoSuchObject("no such container", status=404), EngineRefused("not running", status=409),
])  # fmt: skip
def test_one_that_stopped_meanwhile_mounts_anew(error):
    assert detached(Api(error), [CONTAINER], ROOT) == []


def test_an_engine_that_fails_is_no_answer():
    with pytest.raises(EngineRefused):
        detached(Api(EngineRefused("busy", status=500)), [CONTAINER], ROOT)
