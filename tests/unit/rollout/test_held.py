"""What holds an environment, a host or a rollout in hand is a value: nothing changes it."""

import dataclasses
from pathlib import Path

import pytest

from towline.environments.host_environment import Away, EnvironmentState, Fleet, HostEnvironment
from towline.environments.opening import Opening
from towline.hosts.address import parse
from towline.hosts.local import LocalHost
from towline.hosts.remote import RemoteHost
from towline.hosts.transfers import TransferStatistics
from towline.rollout.host_rollout import HostRollout


@pytest.mark.parametrize(
    "kind", [HostEnvironment, Fleet, EnvironmentState, Away, Opening, HostRollout]
)
def test_it_cannot_be_changed(kind):
    assert kind.__dataclass_params__.frozen
    field = dataclasses.fields(kind)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(object.__new__(kind), field, None)


@pytest.mark.parametrize("host", [LocalHost(), RemoteHost(parse("deploy@web1"))])
def test_a_host_for_another_owner_is_another_host(host):
    theirs = host.owned_by(4321)
    assert theirs.files.owner == 4321
    assert host.files.owner is None
    assert theirs.name == host.name
    folder = theirs.files.folder(Path("/srv"))
    assert folder._owner == 4321


def test_hosts_of_two_owners_use_one_connection():
    host = RemoteHost(parse("deploy@web1"))
    theirs = host.owned_by(4321)
    assert theirs.connection is host.connection
    assert theirs.files._turn is host.files._turn
    assert theirs._forwards is host._forwards


def test_commands_are_counted_where_the_other_statistics_are():
    transferred = TransferStatistics()
    assert (
        RemoteHost(parse("deploy@web1"), transferred=transferred).connection.transferred
        is transferred
    )
    transferred.commands += 1
    assert str(transferred) == "nothing"
