"""Observations in a few words."""

from towline.config.services import Role
from towline.guard.observation import Observation, ServiceSeen
from towline.health.probes import Outcome

ROLES = {"api": Role.APP, "worker": Role.WORKER, "db": Role.BACKING, "nginx": Role.ROUTER}


def look(at, release="1.1.0", requests=None, checks=None, young=(), **services):
    """One round; a service is `well` unless something else is said of it."""
    found = []
    for name, role in ROLES.items():
        said = services.get(name, "well")
        outcome = {"well": Outcome.HEALTHY, "starting": Outcome.INCONCLUSIVE,
                   "unasked": Outcome.ERROR}.get(said, Outcome.FAILURE)  # fmt: skip
        is_young = name in young
        found.append(ServiceSeen("", name, role, said != "down", outcome, said, name, is_young))
    return Observation(float(at), release, tuple(found), requests=requests, checks=checks)


def nobody(at):
    """A round in which no host answered."""
    return Observation(float(at), "", (), ("web1: it does not answer",))
