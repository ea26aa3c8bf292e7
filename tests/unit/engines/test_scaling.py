"""How many containers of a service there are, and which of them are too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config.deploy_sections import Rollout
from towline.config.services import Role, Service, count_replicas
from towline.engines.compose.scaling import scale_options, surplus, wanted_counts
from towline.engines.observed import Container
from towline.state.releases import Release

MODEL = {
    "services": {
        "web": {"deploy": {"replicas": 2}},
        "api": {},
        "worker": {"scale": 3},
    }
}


def container(service, number, state="running"):
    name = f"shop-prod-blue-{service}-{number}"
    return Container(name, name, service, "app", state, slot="blue", release="1.0.0")


def release(tmp_path, **services):
    return Release(
        "1.0.0", "1.0.0", "c", "f", "d", {}, services, tmp_path, replicas=2, created="2026"
    )


@pytest.mark.parametrize(
    ("configured", "own", "role", "count"),
    [
        (3, None, Role.APP, 3),
        (3, 4, Role.APP, 4),
        ({"web": 2}, 4, Role.APP, 2),
        ({"api": 2}, 4, Role.APP, 4),
        ({"api": 2}, None, Role.APP, 1),
        (3, None, Role.WORKER, None),
        (3, 2, Role.WORKER, 2),
        ({"web": 5}, None, Role.WORKER, 5),
        (3, None, Role.BACKING, None),
    ],
)
def test_the_nearest_word_on_a_service_counts(configured, own, role, count):
    configured = Rollout(replicas=configured).replicas
    assert count_replicas(configured, "web", Service(role=role, replicas=own)) == count


def test_replicas_of_what_runs_once_are_refused():
    with pytest.raises(ValueError, match="`replicas` is for roles app and worker"):
        Service(role="backing", replicas=2)


def test_a_release_says_how_many_it_has(tmp_path):
    made = release(
        tmp_path,
        web={"role": "app"},
        api={"role": "app", "replicas": 5},
        worker={"role": "worker"},
        mails={"role": "worker", "replicas": 4},
    )
    assert made.counts(Role.APP) == {"api": 5, "web": 2}
    assert made.counts(Role.WORKER) == {"mails": 4, "worker": 1}


def test_a_worker_that_nobody_chose_a_number_for_has_what_compose_says(tmp_path):
    made = release(tmp_path, worker={"role": "worker"}, web={"role": "app"})
    assert wanted_counts(made, MODEL, {"worker": 1, "web": 1}) == {"worker": 3, "web": 1}
    chosen = release(tmp_path, worker={"role": "worker", "replicas": 1})
    assert wanted_counts(chosen, MODEL, {"worker": 1}) == {"worker": 1}


def test_compose_is_told_what_the_file_does_not_say():
    assert scale_options(MODEL, {"web": 2, "api": 1}, is_there=False) == []
    assert scale_options(MODEL, {"web": 5, "api": 3}, is_there=True) == [
        "--no-recreate", "--scale", "api=3", "--scale", "web=5",
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(1, 30), st.booleans()), unique_by=lambda item: item[0]),
       st.integers(0, 30))  # fmt: skip
def test_what_runs_stays_first_and_the_oldest_of_it(made, count):
    found = [container("web", n, "running" if runs else "exited") for n, runs in made]
    others = [container("api", 1)]
    gone = list(surplus([*found, *others], {"web": count}))
    assert len(gone) == max(0, len(found) - count)
    left = [item for item in found if item not in gone]
    order = [(not item.running, int(item.name.rsplit("-", 1)[1])) for item in (*left, *gone)]
    assert sorted(order[: len(left)]) + order[len(left) :] == sorted(order)
