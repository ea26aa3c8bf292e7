from towline.engines.world import from_listing, other


def listed(**changes):
    item = {
        "Id": "abc",
        "Names": ["/shop-prod-blue-api-1"],
        "Image": "sha256:aa",
        "State": "running",
        "Status": "Up 5 seconds (healthy)",
        "Created": 1700000000,
        "Labels": {
            "towline.service": "api",
            "towline.role": "app",
            "towline.colour": "blue",
            "towline.release": "1.0.0+r2",
            "towline.version": "1.0.0",
        },
        "Ports": [
            {"PrivatePort": 8000, "PublicPort": 32768, "IP": "127.0.0.1", "Type": "tcp"},
            {"PrivatePort": 9000, "Type": "tcp"},
        ],
        "NetworkSettings": {"Networks": {"n": {"IPAddress": "172.18.0.2"}}},
    }
    return {**item, **changes}


def test_a_container_is_what_its_labels_say():
    (item,) = from_listing([listed()]).containers
    assert (item.name, item.service, item.role) == ("shop-prod-blue-api-1", "api", "app")
    assert (item.colour, item.release, item.version) == ("blue", "1.0.0+r2", "1.0.0")
    assert item.running
    assert item.health == "healthy"
    assert item.ports == {8000: 32768}
    assert item.address == "172.18.0.2"


def test_health_is_read_from_the_status():
    world = from_listing([listed(Status="Up 1 second (health: starting)")])
    assert world.containers[0].health == "starting"
    assert from_listing([listed(Status="Up 2 hours")]).containers[0].health == ""


def test_slots_roles_and_services_are_found():
    router = {"towline.service": "nginx", "towline.role": "router"}
    world = from_listing([listed(), listed(Id="r", Labels=router, State="exited", Ports=None)])
    assert [c.service for c in world.of("blue", "app")] == ["api"]
    assert world.of("green") == []
    assert [c.service for c in world.kept()] == ["nginx"]
    assert world.role("router")[0].state == "exited"
    assert world.release_of("blue") == "1.0.0+r2"
    assert world.release_of("green") == ""
    assert world.release_of(None) == ""


def test_the_first_release_goes_to_blue_and_then_they_alternate():
    assert [other(None), other("blue"), other("green")] == ["blue", "green", "blue"]
