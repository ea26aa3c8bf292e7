"""A container's usage in the engine's words; figures as `docker stats` shows them."""

from towline.engines.compose.stats import usage_of

STATS = {
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}, "online_cpus": 4},
    "memory_stats": {"usage": 300, "limit": 1000, "stats": {"inactive_file": 100}},
}
MADE = {"HostConfig": {}, "State": {"OOMKilled": False}, "RestartCount": 2}


def usage(host=None, stats=STATS, state=None, oom=0):
    return usage_of(stats, {**MADE, "HostConfig": host or {}, "State": state or {}}, oom, 1.0)


def test_what_the_kernel_only_caches_is_not_in_use():
    found = usage()
    assert (found.cpu_seconds, found.cores, found.memory, found.memory_limit) == (2.5, 4, 200, 1000)
    assert (found.restarts, found.oom_kills) == (2, 0)
    # Control groups of version 1 call it otherwise.
    old = {**STATS, "memory_stats": {"usage": 300, "stats": {"total_inactive_file": 50}}}
    assert usage(stats=old).memory == 250


def test_a_limit_of_processor_time_counts_instead_of_the_machine():
    assert usage({"NanoCpus": 1_500_000_000}).cores == 1.5
    assert usage({"CpuQuota": 50_000, "CpuPeriod": 100_000}).cores == 0.5
    assert usage({"CpuQuota": 50_000}).cores == 0.5


def test_a_kill_for_want_of_memory_is_told_by_events_or_by_its_state():
    assert usage(oom=3).oom_kills == 3
    assert usage(state={"OOMKilled": True}).oom_kills == 1


def test_an_engine_without_control_groups_has_no_figures():
    found = usage(stats={"cpu_stats": {"cpu_usage": {"total_usage": 0}}})
    assert (found.cpu_seconds, found.memory, found.restarts) == (None, None, 2)
