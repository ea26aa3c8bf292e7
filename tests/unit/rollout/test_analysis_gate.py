"""The analysis gate, on an engine in memory whose router logs what a test says."""

import json
import time
from dataclasses import replace

import pytest
from fakes import FakeHostEnvironment

from towline.config.analysis_section import Analysis as Section
from towline.errors import UsageError
from towline.health.probes import Answer, Outcome
from towline.rollout.gates import containers
from towline.rollout.gates.analysis import Analysis
from towline.rollout.gates.base import GateContext, GateFailed, GateOutcome, pass_gate
from towline.rollout.stages import StrategySettings

CHECKS = {"errors": {"pass": "< 5%", "limit": 1}}


def section(checks=CHECKS, **settings):
    given = {"interval": "5ms", "minimum": 20, "checks": checks, **settings}
    return Section.model_validate(given)


@pytest.fixture
def site(tmp_path, monkeypatch):
    made = FakeHostEnvironment(tmp_path)
    made.serve(made.keep("1.0.0"))
    made.keep("1.0.1")
    for name in ("api", "worker"):
        made.engine.containers["green", name] = ("1.0.1", True)
    healthy = Answer(Outcome.HEALTHY, "well")
    monkeypatch.setattr(containers, "container_answer", lambda *_: healthy)
    return made


def traffic(engine, slot, count, status=200, seconds=0.1):
    for number in range(count):
        data = {
            "time": time.time(), "slot": slot, "release": "x", "service": "api",
            "status": status, "upstream_status": str(status), "request_time": seconds,
            "upstream_response_time": str(seconds), "request_id": str(number), "bytes": 1,
        }  # fmt: skip
        engine.logged.append(json.dumps(data).encode())


def check(site, given, window=0.03, requests=lambda: None, **changes):
    """The gate's verdict, and how often it looked whether to go on."""
    ticks = []

    def check_cancelled():
        ticks.append(1)
        requests()

    context = GateContext(
        site.engine, site.store.get("1.0.1"), "green", site.folder, check_cancelled
    )
    gate = Analysis.of(window, given, 2, is_compared=changes.get("is_compared", True))
    return gate.check(context), gate, context


def test_a_good_release_passes_at_the_end_with_its_figures(site):
    verdict, _, _ = check(site, section(), requests=lambda: traffic(site.engine, "green", 30))
    assert verdict.outcome is GateOutcome.PASS
    assert verdict.text.startswith("1 check passed in ")
    assert verdict.figures["errors"] == 0.0
    assert verdict.figures["errors_count"] >= 30


def test_a_bad_one_fails_long_before_the_window_is_over(site):
    began = time.monotonic()
    verdict, gate, context = check(
        site, section(), 60.0, lambda: traffic(site.engine, "green", 30, 500)
    )
    assert time.monotonic() - began < 5
    assert verdict.outcome is GateOutcome.FAIL
    assert verdict.text.startswith("failed 2 of 2 times in ")
    assert "errors 100 % (of " in verdict.text
    retained = {}
    context = replace(context, keep=lambda name, found: retained.update(found.data(name)))
    with pytest.raises(GateFailed, match="gate analysis failed: failed 2 of"):
        pass_gate(gate, context)
    assert (retained["gate"], retained["outcome"]) == ("analysis", "fail")
    assert retained["figures"]["errors"] == 100.0


def test_requests_of_before_and_of_the_other_slot_do_not_count(site):
    traffic(site.engine, "green", 100, 500)

    def requests():
        traffic(site.engine, "green", 20)
        traffic(site.engine, "blue", 20, 500)

    verdict, _, _ = check(site, section(), requests=requests)
    assert verdict.outcome is GateOutcome.PASS


def test_no_traffic_is_inconclusive(site):
    verdict, _, _ = check(site, section())
    assert verdict.outcome is GateOutcome.INCONCLUSIVE
    assert "0 of 20 observations" in verdict.text
    assert "on_no_data" in verdict.remedy
    verdict, _, _ = check(site, section(on_no_data="fail"))
    assert verdict.outcome is GateOutcome.FAIL


def test_the_first_release_needs_no_traffic(site):
    for name in ("api", "worker"):
        del site.engine.containers["blue", name]
    verdict, _, _ = check(site, section())
    assert verdict.outcome is GateOutcome.PASS
    assert verdict.text.startswith("the first release has no traffic")


def test_a_source_that_cannot_be_asked_is_an_error(site):
    site.engine.keeps_log = False
    verdict, _, _ = check(site, section(), 60.0)
    assert verdict.outcome is GateOutcome.ERROR
    assert "keeps no request log" in verdict.text


def test_a_crash_ends_it_at_once(site):
    site.engine.containers["green", "api"] = ("1.0.1", False)
    verdict, _, _ = check(site, section(), 60.0)
    assert verdict.outcome is GateOutcome.FAIL
    assert "exited with code 3" in verdict.text


def test_the_old_release_is_compared_only_while_it_has_traffic(site):
    checks = {"p95": {"pass": "no worse than old", "limit": 1}}

    def requests():
        traffic(site.engine, "green", 40, seconds=0.5)
        traffic(site.engine, "blue", 40)

    verdict, _, _ = check(site, section(checks), 60.0, requests)
    assert verdict.outcome is GateOutcome.FAIL
    assert "p95 " in verdict.text
    assert ", old 99 ms" in verdict.text
    verdict, _, _ = check(site, section(checks), requests=requests, is_compared=False)
    assert verdict.outcome is GateOutcome.PASS


def test_strategies_analyse_where_checks_are_configured_and_bake_elsewhere(site):
    def names(gates):
        return [gate.name for gate in gates]

    plain = StrategySettings(site.rollout)
    assert names(plain.under_traffic) == names(plain.under_share(5)) == ["health", "bake"]
    assert names(plain.under_share(0)) == ["health"]
    judged = StrategySettings(site.rollout, analysis=section(window="2m"))
    assert names(judged.under_traffic) == names(judged.under_share(5)) == ["health", "analysis"]
    assert (judged.under_traffic[1].window, judged.under_traffic[1].is_compared) == (120.0, False)
    assert (judged.under_share(5)[1].window, judged.under_share(5)[1].is_compared) == (5, True)
    # Without time for it, there is nothing to judge: a rolling step, or a canary with `window: 0`.
    assert names(judged.under_share(0)) == ["health"]
    wrong = StrategySettings(site.rollout, analysis=section({"p96": "< 1s"}))
    with pytest.raises(UsageError, match="no source has a metric 'p96'"):
        wrong.under_traffic  # noqa: B018
