"""Canaries on the engine in memory, planned without a deploy tree."""

from fakes import FakeHostEnvironment
from test_executor import candidate, inputs

from towline.config.deploy_sections import Rollout
from towline.config.services import Role
from towline.environments.host_environment import observe
from towline.rollout import host_parts, interrupted, operations
from towline.rollout.continuation import find_continuation, is_touched
from towline.rollout.host_rollout import HostRollout
from towline.rollout.planner import plan_deploy


def builder(folder, monkeypatch):
    """Makes environments where 1.0.0 is live, and 1.0.1 is retained."""

    def plain(site, version, called=None, left=None):
        release = site.store.get(version)
        at = find_continuation(site.store, observe(site), left)
        touched = at is not None or is_touched(observe(site), left)
        settings = interrupted.settings_of(site, left)
        plan = plan_deploy(inputs(site), _candidate(release), settings, at)
        return HostRollout(site, plan, touched=touched)

    monkeypatch.setattr(operations, "deploy_on_host", plain)
    monkeypatch.setattr(host_parts, "from_retained", lambda _, release: candidate(release))
    monkeypatch.setattr(host_parts, "read_baseline", lambda *_: inputs(made[-1]).before)
    made = []

    def build(name="site", *, replicas=1, strategy="canary", **settings):
        site = FakeHostEnvironment(folder / str(name), host_name=str(name))
        given = {"window": 0.01, "steps": [10, 60], **settings}
        found = Rollout(canary=given) if strategy == "canary" else Rollout(rolling=settings)
        changes = {"strategy": strategy, "canary": found.canary, "rolling": found.rolling}
        site.rollout = site.rollout.model_copy(update=changes)
        site.serve(site.keep("1.0.0", replicas=replicas))
        site.keep("1.0.1", replicas=replicas)
        made.append(site)
        return site

    return build


def _candidate(release):
    return candidate(release, replicas=release.counts(Role.APP))


def begin(site):
    """The deploy of 1.0.1."""
    plan = plan_deploy(inputs(site), _candidate(site.store.get("1.0.1")), site.rollout)
    return HostRollout(site, plan)


def routes(site):
    """Where traffic was sent, in order."""
    return [call for call in site.engine.calls if call.startswith("route")]
