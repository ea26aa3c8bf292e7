"""What is reserved must be there; what limits add up to is only worth a warning."""

from towline.engines.compose.check_room import check_room
from towline.findings import Severity

HOST = {"memory": 4e9, "cpus": 4.0}


def service(**resources):
    return {"deploy": {"resources": resources}}


def found(services, peak, **has):
    return [(f.severity, f.message, f.details) for f in check_room(services, peak, {**HOST, **has})]


def test_nothing_is_said_of_what_nobody_limits():
    assert found({"web": {}}, {"web": 9}) == []


def test_limits_that_fit_are_told():
    services = {"web": service(limits={"memory": "1000000000"}), "db": {"mem_limit": "500000000"}}
    assert found(services, {"web": 2, "db": 1}) == [
        (Severity.OK, "2.5 GB at most for what runs at once, of 4.0 GB", ())
    ]


def test_limits_that_do_not_fit_are_a_warning_and_reservations_an_error():
    limited = {"web": service(limits={"memory": "1000000000", "cpus": 1.5}), "job": {}}
    ((severity, message, details), (_, cpus, _)) = found(limited, {"web": 5})
    assert severity is Severity.WARNING
    assert message == (
        "limits of 5.0 GB for what runs at once while releases change, and the host has 4.0 GB"
    )
    assert details == ("web: 5 x 1.0 GB",)
    assert cpus.startswith("limits of 7.5 CPUs for")
    reserved = {"web": service(reservations={"memory": "1000000000"})}
    ((severity, message, _),) = found(reserved, {"web": 5})
    assert (severity, message[:22]) == (Severity.ERROR, "reservations of 5.0 GB")


def test_both_ways_of_compose_files_count_once():
    both = {"web": {"mem_limit": "1g", **service(limits={"memory": "1000000000"})}}
    assert found(both, {"web": 4})[0][0] is Severity.OK
    assert found({"web": {"cpus": 2}}, {"web": 3})[0][0] is Severity.WARNING
