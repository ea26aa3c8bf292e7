"""Give the new release a share of traffic, then more, while the old one stays in full."""

from dataclasses import replace

from towline.config.progressive import Canary, is_share
from towline.rollout.endings import take_over
from towline.rollout.stages import Counts, Replicas, Stage, Strategy, StrategySettings
from towline.rollout.steps import table
from towline.routing.policy import Policy


def _stages(replicas: Replicas, settings: StrategySettings) -> list[Stage]:
    canary = settings.rollout.canary
    # Where nothing serves, there is no traffic to share.
    shares = [step for step in canary.steps if is_share(step)] if replicas.old else [100]
    first = _counts(replicas, shares[0], canary.replicas)
    stages = [
        Stage(
            table.START,
            "start the new release beside the old, without traffic",
            new=first,
            old=replicas.old,
            share=0,
            gates=settings.before_traffic,
            policy=_policy(canary),
        )
    ]
    for step in canary.steps if replicas.old else ():
        if is_share(step):
            stages.append(_step(step, replicas, settings))
        else:
            stages[-1] = replace(stages[-1], pauses=True)
    return [
        *stages,
        *take_over(
            replicas.new,
            replicas.old,
            switch="send all traffic to the new release",
            finish="stop the old release and retain it for rollback",
            gates=settings.under_traffic,
        ),
    ]


def _step(share: int, replicas: Replicas, settings: StrategySettings) -> Stage:
    canary = settings.rollout.canary
    return Stage(
        f"canary-{share}",
        f"send {share} % of traffic to the new release",
        new=_counts(replicas, share, canary.replicas),
        old=replicas.old,
        share=share,
        gates=settings.under_share(canary.window),
        policy=_policy(canary),
    )


def _policy(canary: Canary) -> Policy:
    policy, preview = Policy(canary.stick, canary.header), canary.preview
    if preview is None:
        return policy
    return replace(
        policy,
        preview_header=preview.header,
        preview_cookie=preview.cookie,
        preview_value=preview.value,
    )


def _counts(replicas: Replicas, share: int, fixed: int | None) -> Counts:
    """Containers that follow the share, or a fixed number; at least one, never more than wanted."""
    return {
        name: min(count, fixed or -(-share * count // 100)) for name, count in replicas.new.items()
    }


def _capacity(replicas: Replicas, settings: StrategySettings) -> Counts:  # noqa: ARG001
    """All that both releases have: the old one is full until the new one is."""
    shared = replicas.new.keys() & replicas.old.keys()
    return {name: min(replicas.new[name], replicas.old[name]) for name in shared}


STRATEGY = Strategy(_stages, _capacity)
