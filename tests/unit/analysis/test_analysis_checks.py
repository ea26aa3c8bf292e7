"""What figures come to, and what answers come to in the end."""

import pytest

from towline.analysis import analyst as module
from towline.analysis.analyst import Analyst
from towline.analysis.checks import Answer, evaluate, format_figure, resolve
from towline.analysis.sources.base import Sample, SourceContext, SourceError, SourceKind, Window
from towline.config.analysis_section import Analysis
from towline.errors import UsageError

WINDOW = Window(0, 60)


def section(checks, **settings):
    return Analysis.model_validate({"checks": checks, **settings})


def check(condition, name="errors", **settings):
    return resolve(section({name: {"pass": condition, **settings}}))[0]


def of(value, count=100, values=None):
    return Sample(value, count, "%", values or {})


def answer(demanded, new, old=None, **settings):
    return evaluate(check(demanded, **settings), new, old).answer


class TestResolving:
    def test_the_source_is_the_one_that_has_the_metric(self):
        lines = {"pattern": "x", "pass": "< 1/min"}
        made = resolve(section({"p95": "< 1000ms", "cpu": "< 80%", "bad": lines}))
        assert [(item.source, item.metric, item.unit) for item in made] == [
            ("router", "p95", "s"), ("containers", "cpu", "%"), ("logs", "log_matches", "/min"),
        ]  # fmt: skip
        assert [item.minimum for item in made] == [50, 1, 1]
        assert check("< 5%", minimum=7).minimum == 7

    @pytest.mark.parametrize(
        ("name", "settings", "said"),
        [
            ("p96", {"pass": "< 1s"}, "no source has a metric 'p96'; did you mean `p9"),
            ("p95", {"pass": "< 5%"}, "'< 5%' is not in seconds"),
            ("errors", {"pass": "< 5"}, "'< 5' is not in %"),
            ("x", {"pass": "< 5%", "metric": "cpu", "source": "router"}, "router has no metric"),
        ],
    )
    def test_what_no_source_can_tell_is_a_mistake(self, name, settings, said):
        with pytest.raises(UsageError, match=said) as error:
            resolve(section({name: settings}))
        assert error.value.remedy


class TestEvaluating:
    def test_a_limit(self):
        assert answer("< 5%", of(4.9)) is Answer.PASS
        assert answer("< 5%", of(5.0)) is Answer.FAIL

    def test_too_few_observations_are_no_answer_however_good_they_are(self):
        assert answer("< 5%", of(0.0, 49)) is Answer.NO_DATA
        assert answer("< 5%", of(100.0, 49)) is Answer.NO_DATA
        assert answer("< 5%", of(None, 0)) is Answer.NO_DATA
        assert answer("< 1.2x old", of(1.0), of(1.0, 3)) is Answer.NO_DATA

    def test_against_the_old_release(self):
        assert answer("< 1.2x old", of(1.1), of(1.0)) is Answer.PASS
        assert answer("< 1.2x old", of(1.3), of(1.0)) is Answer.FAIL
        # Of nothing, no factor makes a limit.
        assert answer("< 1.2x old", of(1.3), of(0.0)) is Answer.INCONCLUSIVE
        assert answer("< 1.2x old", of(0.0), of(0.0)) is Answer.PASS

    def test_by_the_judge(self):
        good, bad = {0.0: 495, 1.0: 5}, {0.0: 440, 1.0: 60}
        assert answer("no worse than old", of(1, 500, good), of(1, 500, good)) is Answer.PASS
        assert answer("no worse than old", of(12, 500, bad), of(1, 500, good)) is Answer.FAIL
        # Better is no worse.
        assert answer("no worse than old", of(1, 500, good), of(12, 500, bad)) is Answer.PASS
        assert answer("no worse than old", of(1, 500), of(12, 500)) is Answer.INCONCLUSIVE

    def test_the_text_has_all_that_it_rests_on(self):
        found = evaluate(check("< 1.2x old"), of(1.5, 1234), of(1.0))
        assert found.text == "errors 1.5 %, old 1 % (of 1,234; wanted < 1.2x old)"
        short = evaluate(check("< 5%"), of(0.0, 12), None)
        assert short.text == "errors 0 % (of 12; wanted < 5%; 12 of 50 observations)"


def test_figures_are_as_people_read_them():
    assert format_figure(0.1234, "s") == "123 ms"
    assert format_figure(90.0, "s") == "1 m 30 s"
    assert format_figure(1234.0, "/s") == "1,234/s"
    assert format_figure(None, "%") == "-"


class Scripted:
    """A source that answers what it was given, one after another."""

    def __init__(self, given):
        self.given, self.asked = given, []

    def read(self, metric, slot, window):
        self.asked.append((metric, slot))
        found = self.given[metric, slot]
        found = found.pop(0) if isinstance(found, list) else found
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def analyst(monkeypatch):
    """Makes an analyst whose figures are scripted: metric -> figures of the new slot."""

    def make(checks, old="", settings=None, **figures):
        given = {(name, "green"): value for name, value in figures.items()}
        given |= {(name, "blue"): of(1.0) for name in figures}
        source = Scripted(given)
        kinds = {name: SourceKind(lambda _: source, {}) for name in ("router", "containers")}
        made_section = section(checks, **(settings or {}))
        resolved = resolve(made_section)
        monkeypatch.setattr(module, "find_sources", lambda: kinds)
        made = Analyst(made_section, SourceContext(None, {}), "green", old, resolved)
        made.source = source
        return made

    return make


def asked(made, times):
    for _ in range(times):
        made.ask(WINDOW)
    return made


def test_failures_errors_and_open_answers_have_limits_of_their_own(analyst):
    bad, away = of(9.0), SourceError("away")
    made = analyst({"errors": {"pass": "< 5%", "limit": 1, "errors": 2}},
                   errors=[bad, away, away, bad])  # fmt: skip
    assert asked(made, 3).early() is None
    found = asked(made, 1).early()
    assert found.answer is Answer.FAIL
    assert found.because[0].counts == {Answer.FAIL: 2, Answer.ERROR: 2}
    made = analyst({"errors": {"pass": "< 5%", "errors": 2}}, errors=away)
    assert asked(made, 2).early() is None
    assert asked(made, 1).early().answer is Answer.ERROR


def test_no_data_is_never_a_pass_unless_it_is_said(analyst):
    few = of(0.0, 3)
    for on_no_data, wanted in (
        ("hold", Answer.NO_DATA), ("fail", Answer.FAIL), ("pass", Answer.PASS),
    ):  # fmt: skip
        made = analyst({"errors": "< 5%"}, settings={"on_no_data": on_no_data}, errors=few)
        assert asked(made, 20).early() is None
        assert made.conclude().answer is wanted
    # Nothing was ever asked.
    assert analyst({"errors": "< 5%"}, errors=few).conclude().answer is Answer.NO_DATA


def test_what_was_forgiven_is_forgiven_when_it_ends_well(analyst):
    made = analyst({"errors": "< 5%"}, errors=[of(9.0), of(1.0)])
    assert asked(made, 2).conclude().answer is Answer.PASS
    made = analyst({"errors": "< 5%"}, errors=[of(1.0), of(9.0)])
    assert asked(made, 2).conclude().answer is Answer.FAIL


def test_without_traffic_to_the_old_release_nothing_is_compared(analyst):
    checks = {"errors": "< 5%", "p95": "no worse than old"}
    alone = asked(analyst(checks, errors=of(1.0), p95=of(1.0)), 1)
    assert {item[0] for item in alone.source.asked} == {"errors"}
    both = asked(analyst(checks, old="blue", errors=of(1.0), p95=of(1.0)), 1)
    assert ("p95", "blue") in both.source.asked
    assert both.conclude().answer is Answer.INCONCLUSIVE


def test_checks_that_are_not_critical_make_a_score(analyst):
    checks = {
        "errors": "< 5%",
        "cpu": {"pass": "< 50%", "critical": False, "weight": 1},
        "memory": {"pass": "< 50%", "critical": False, "weight": 3},
    }
    good, bad = of(1.0), of(90.0)
    for cpu, memory, answer_, score in (
        (good, good, Answer.PASS, 100),
        (bad, good, Answer.INCONCLUSIVE, 75),
        (good, bad, Answer.FAIL, 25),
    ):
        made = asked(analyst(checks, errors=good, cpu=cpu, memory=memory), 5)
        assert made.early() is None
        found = made.conclude()
        assert (found.answer, found.score) == (answer_, score)
    assert found.because[0].check.name == "memory"


def test_all_figures_are_kept(analyst):
    made = asked(analyst({"errors": "< 1.2x old"}, old="blue", errors=of(1.1)), 2)
    assert made.figures() == {
        "errors": 1.1, "errors_old": 1.0, "errors_count": 100, "errors_pass": 2,
    }  # fmt: skip


def test_a_source_that_breaks_is_an_error_and_not_a_failure(analyst):
    made = asked(analyst({"errors": "< 5%"}, errors=KeyError("x")), 1)
    assert made.tallies["errors"].last.answer is Answer.ERROR
    assert "KeyError" in made.tallies["errors"].last.text
