from towline.engines.observed import other, parse_containers


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
    (item,) = parse_containers([listed()]).containers
    assert (item.name, item.service, item.role) == ("shop-prod-blue-api-1", "api", "app")
    assert (item.slot, item.release, item.version) == ("blue", "1.0.0+r2", "1.0.0")
    assert item.running
    assert item.health == "healthy"
    assert item.ports == {8000: 32768}
    assert item.address == "172.18.0.2"


def test_health_is_read_from_the_status():
    observed = parse_containers([listed(Status="Up 1 second (health: starting)")])
    assert observed.containers[0].health == "starting"
    assert parse_containers([listed(Status="Up 2 hours")]).containers[0].health == ""


def test_slots_roles_and_services_are_found():
    router = {"towline.service": "nginx", "towline.role": "router"}
    observed = parse_containers(
        [listed(), listed(Id="r", Labels=router, State="exited", Ports=None)]
    )
    assert [c.service for c in observed.of("blue", "app")] == ["api"]
    assert observed.of("green") == []
    assert [c.service for c in observed.persistent()] == ["nginx"]
    assert observed.role("router")[0].state == "exited"
    assert observed.release_of("blue") == "1.0.0+r2"
    assert observed.release_of("green") == ""
    assert observed.release_of(None) == ""


def test_the_first_release_goes_to_blue_and_then_they_alternate():
    assert [other(None), other("blue"), other("green")] == ["blue", "green", "blue"]
