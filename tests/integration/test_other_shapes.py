"""Projects of other shapes than the sample: no router, several replicas, changed configuration."""

import json
import shutil
import urllib.request

import pytest

from loadgen import Load, wait_until
from projects import docker, remove
from towline.config.loading import load
from towline.environments.host_environment import observe
from towline.environments.opening import open_lead_environment
from towline.rollout.gates.base import GateContext
from towline.rollout.gates.health import Health
from towline.rollout.stages import Stage, Workers
from towline.rollout.transition import Transition
from toy import release, toy

HOLDER = {
    "token": "t", "user": "eve", "machine": "m", "pid": 1, "operation": "deploy 2",
    "since": "2026-01-01T00:00:00+00:00", "where": "elsewhere", "lease": 60.0, "fence": 9,
}  # fmt: skip


def ask(project):
    with urllib.request.urlopen(f"http://127.0.0.1:{project.http}/", timeout=5) as answer:
        return json.load(answer)


@pytest.fixture
def make(tmp_path):
    made = []

    def build(**shape):
        made.append(toy(tmp_path, **shape))
        return made[-1]

    yield build
    for project in made:
        remove(project)


def test_without_a_router_recreate_replaces_and_goes_back(make):
    project = make(router=False)
    release(project, "1.0.0")
    refused = project.inv("deploy")
    assert refused.code == 2
    assert "blue-green needs a router" in refused.err
    project.inv("deploy", "--strategy", "recreate").ok()
    assert ask(project)["version"] == "1.0.0"
    traced = {"PYTHONPROFILEIMPORTTIME": "1"}
    again = project.inv("deploy", "--strategy", "recreate", env=traced).ok()
    assert "nothing to do" in again.out
    loaded = {line.rpartition("|")[2].strip() for line in again.err.splitlines()}
    assert "docker.api" in loaded
    # What leads to hosts behind SSH, makes certificates or asks registries takes twice as long.
    assert not {"paramiko", "cryptography", "fabric", "httpx", "jinja2"} & loaded
    release(project, "1.1.0")
    project.inv("deploy", "--strategy", "recreate").ok()
    assert ask(project)["version"] == "1.1.0"


def test_several_replicas_share_the_traffic_and_are_replaced_without_a_loss(make, monkeypatch):
    project = make(rollout=", replicas: 3")
    release(project, "1.0.0")
    project.inv("deploy").ok()
    assert len({ask(project)["host"] for _ in range(60)}) == 3
    release(project, "1.1.0")
    with Load(f"http://127.0.0.1:{project.http}/") as load:
        project.inv("deploy").ok()
        tally = load.stop()
    assert tally.lost == []
    assert tally.failed == 0
    assert set(tally.releases) == {"1.0.0", "1.1.0"}
    running = docker("ps", "-q", "--filter", f"label=towline.project={project.name}",
                     "--filter", "label=towline.role=app").split()  # fmt: skip
    assert len(running) == 3
    monkeypatch.setenv("TOWLINE_STATE", str(project.state))
    _scale_a_slot_that_serves(project)
    # The network that three Compose projects share is made as the file describes it.
    network = json.loads(docker("network", "inspect", f"{project.name}-local_default"))[0]
    assert network["Options"]["com.docker.network.driver.mtu"] == "1400"
    assert network["IPAM"]["Config"][0]["Subnet"].startswith("10.")


def _scale_a_slot_that_serves(project):
    """Up and down, while users are served by it; what runs stays, and so does the other slot."""

    def ids(slot):
        wanted = (f"label=towline.project={project.name}", f"label=towline.colour={slot}")
        filters = [word for item in wanted for word in ("--filter", item)]
        return set(docker("ps", "-aq", *filters).split())

    site = open_lead_environment(load(project.root), "local")
    seen = observe(site)
    other = ids("blue" if seen.slot == "green" else "green")
    before = ids(seen.slot)
    assert len(before) == 3
    context = GateContext(site.engine, seen.live, seen.slot, project.root, lambda: None)
    transition = Transition(site.engine, context, None, site.rollout, lambda: None)

    def scale(count):
        gates = (Health(10.0),)
        transition.to(Stage("", "", {"web": count}, {}, 100, Workers.NEW, gates=gates))

    with Load(f"http://127.0.0.1:{project.http}/") as load_:
        scale(5)
        more = ids(seen.slot)
        assert before < more
        assert len(more) == 5
        assert len({ask(project)["host"] for _ in range(80)}) == 5
        scale(2)
        # Whoever left gets nothing any more, at once; and it lost nothing that it had.
        assert len({ask(project)["host"] for _ in range(40)}) == 2
        tally = load_.stop()
    assert (tally.lost, tally.failed) == ([], 0)
    assert len(ids(seen.slot)) == 2
    assert ids(seen.slot) < before
    routes = observe(site).routes.backends["web"]
    assert (routes.shares[seen.slot], routes.only) == (100, {})
    assert ids("blue" if seen.slot == "green" else "green") == other


@pytest.mark.parametrize(("reload", "restarts"), [("", True), ("reload: SIGHUP", False)])
def test_changed_configuration_reaches_a_backing_service(make, reload, restarts):
    project = make(reload=reload)
    release(project, "1.0.0")
    project.inv("deploy").ok()
    name = f"{project.name}-local-notes-1"
    started = docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name)
    notes = project.root / "deploy/docker/notes/default.conf"
    notes.write_text("# two\n")
    release(project, "1.1.0")
    done = project.inv("deploy").ok()
    act = "restarted" if restarts else "reloaded"
    assert f"notes {act} (docker/notes/default.conf changed)" in done.err
    now = docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name)
    assert now.split()[0] == started.split()[0]
    assert (now != started) == restarts
    assert docker("exec", name, "cat", "/notes/default.conf") == "# two\n"
    project.inv("rollback", "--auto-approve").ok()
    assert docker("exec", name, "cat", "/notes/default.conf") == "# one\n"
    # Neither a reload nor a switch has taken the restart policy of a service away.
    for crashed in (name, f"{project.name}-local-nginx-1"):
        docker("exec", "--detach", crashed, "sh", "-c", "kill -TERM 1")
        wait_until(lambda item=crashed: restarted(item), f"{crashed} did not come back")
    wait_until(lambda: ask_or_none(project) == "1.0.0", "nobody is served after the crash")


def restarted(name):
    return docker("inspect", "-f", "{{.RestartCount}} {{.State.Running}}", name) == "1 true\n"


def test_an_emergency_rollback_works_with_a_damaged_journal_and_a_dead_backing_service(make):
    project = make()
    for version in ("1.0.0", "1.1.0"):
        release(project, version)
        project.inv("deploy").ok()
    journal = project.folder / "journal.jsonl"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:-2]) + "\n")
    cut = project.inv("history", "--verify")
    assert cut.code == 1, cut.text
    assert f"remembers {len(lines)} entries, and there are {len(lines) - 2}" in cut.err
    journal.write_text("\n".join([lines[0], "null", *lines[1:]]) + "\n")
    notes = f"{project.name}-local-notes-1"
    docker("rm", "-f", notes)
    plain = project.inv("rollback", "--auto-approve")
    assert plain.code == 1, plain.text
    assert "is not a journal entry" in plain.err
    # What can be read is shown all the same.
    status = project.inv("status", "--json").ok().json
    assert (status["live"], status["interrupted"]) == ("1.1.0", None)
    assert "is not a journal entry" in status["journal"]
    shown = project.inv("history")
    assert shown.ok().out.count(" deploy ") == 2
    assert "inv history.repair --env local" in shown.err
    done = project.inv("rollback", "--force", "--auto-approve", "--reason", "all burns").ok()
    assert "the journal was damaged" in done.err
    assert ask(project)["version"] == "1.0.0"
    assert list(project.folder.glob("journal.jsonl.damaged-*"))
    assert "the chain is whole" in project.inv("history", "--verify").ok().out
    assert "all burns" in project.inv("history").ok().out


def test_down_and_up_again_keeps_releases(make):
    project = make()
    release(project, "1.0.0+build.7")
    project.inv("deploy").ok()
    project.inv("down", "--yes").ok()
    project.inv("deploy").ok()
    assert ask(project)["version"] == "1.0.0+build.7"
    assert project.inv("down", "--yes", "--dry-run").ok().out.count("remove container") == 3
    assert ask(project)["version"] == "1.0.0+build.7"


def test_the_state_of_an_environment_is_one_folder_whoever_comes(make, tmp_path):
    project = make()
    release(project, "1.0.0")
    project.inv("deploy").ok()
    before = project.containers()
    elsewhere = {"TOWLINE_STATE": str(tmp_path / "elsewhere")}
    for command in (["down", "--yes"], ["deploy"], ["hold", "--reason", "x"], ["unlock", "--yes"]):
        refused = project.inv(*command, env=elsewhere)
        assert refused.code == 2, refused.text
        assert f"has its state in {project.folder}" in refused.err
    # Somebody with another default folder: it is not chosen, and so the one that counts is taken.
    default = {"TOWLINE_STATE": ""}
    assert project.inv("deploy", env=default).ok().out.count("nothing to do") == 1
    assert "deploy" in project.inv("history", env=default).ok().out
    (project.folder / "lock").write_text(json.dumps(HOLDER))
    locked = project.inv("down", "--yes", env=default)
    assert locked.code == 5, locked.text
    assert project.containers() == before
    (project.folder / "lock").unlink()
    # The folder is lost: nothing is touched until somebody says so.
    project.folder.rename(tmp_path / "lost")
    lost = project.inv("down", "--yes")
    assert lost.code == 2, lost.text
    assert "inv down --unmanaged --env local" in lost.err
    assert project.containers() == before
    project.inv("down", "--unmanaged", "--yes").ok()
    assert project.containers() == ""
    shutil.rmtree(project.folder)
    project.inv("deploy", env=elsewhere).ok()
    assert ask(project)["version"] == "1.0.0"
    project.environ |= elsewhere


def test_after_the_state_is_restored_from_a_backup_the_router_mounts_it_again(make, tmp_path):
    project = make()
    release(project, "1.0.0")
    project.inv("deploy").ok()
    assert project.inv("status", "--json").ok().json["served"] is True
    shutil.copytree(project.folder, tmp_path / "backup")
    shutil.rmtree(project.folder)
    shutil.copytree(tmp_path / "backup", project.folder)
    said = project.inv("status")
    assert said.code == 1, said.text
    assert "mounts a folder that was deleted" in said.err
    release(project, "1.1.0")
    assert (
        "restart nginx, notes: what they mount was deleted" in project.inv("deploy.plan").ok().out
    )
    project.inv("deploy").ok()
    assert ask(project)["version"] == "1.1.0"
    project.inv("status").ok()
    docker("kill", f"{project.name}-local-nginx-1")
    dead = project.inv("status")
    assert dead.code == 1, dead.text
    assert "users are not served: the router is not running" in dead.err


def test_a_container_that_restarts_under_another_address_is_found_again(make):
    project = make()
    release(project, "1.0.0")
    project.inv("deploy").ok()
    web = f"{project.name}-local-blue-web-1"
    docker("stop", "-t", "1", web)
    # Somebody else takes the address that it had.
    image = docker("inspect", "-f", "{{.Image}}", web).strip()
    taker = docker("run", "-d", "--network", f"{project.name}-local_default", image, "sleep", "60")
    try:
        docker("start", web)
        wait_until(lambda: ask_or_none(project) == "1.0.0", "the router lost the container")
    finally:
        docker("rm", "-f", taker.strip())


def ask_or_none(project):
    try:
        return ask(project)["version"]
    except OSError:
        return None


def test_old_releases_go_with_their_images_unless_another_environment_keeps_them(make):
    project = make(rollout=", keep: 1")

    def tags():
        return set(docker("images", "--format", "{{.Tag}}", f"{project.name}-api").split())

    def deployed(*versions):
        for version in versions:
            release(project, version)
            project.inv("deploy").ok()

    deployed("1.0.0", "1.1.0", "1.2.0")
    # 1.1.0 still has its stopped containers; nothing is left of 1.0.0.
    assert {tag for tag in tags() if "-" not in tag} == {"1.1.0", "1.2.0"}
    record = project.folder / "releases/1.1.0/release.json"
    other = project.folder.parent / "staging/releases/1.1.0"
    other.mkdir(parents=True)
    (other / "release.json").write_text(record.read_text())
    deployed("1.3.0")
    assert not record.exists()
    assert {tag for tag in tags() if "-" not in tag} == {"1.1.0", "1.2.0", "1.3.0"}


def test_a_rollback_over_a_schema_that_changed_or_that_nothing_tells_asks(make):
    project = make(work=True)
    compose = project.root / "deploy/docker/docker-compose.prod.yml"
    compose.write_text(compose.read_text().replace(", changes_schema: false", ""))
    release(project, "1.0.0")
    assert "rollbacks are not guarded: migrate" in project.inv("deploy.plan").ok().out
    project.inv("deploy").ok()
    config = project.root / "towline.yaml"
    copy = '{app.py: src/app.py, shop: src/shop}, migrations: ["**/migrations/*.py"]'
    config.write_text(config.read_text().replace("{app.py: src/app.py}", copy))
    for version, app in (("1.1.0", "blog"), ("1.2.0", "news")):
        file = project.root / f"app/shop/{app}/migrations/0001_initial.py"
        file.parent.mkdir(parents=True)
        file.write_text(f"# {app}\n")
        release(project, version)
        assert "not guarded" not in project.inv("deploy.plan").ok().out
        project.inv("deploy").ok()
        refused = project.inv("rollback", "--auto-approve")
        assert refused.code == 2, refused.text
        assert "--keep-schema" in refused.err
        told = "nothing tells whether the schema changed since 1.0.0"
        named = "the schema changed since 1.1.0: src/shop/news/migrations/0001_initial.py"
        assert (told if app == "blog" else named) in refused.err
        assert ask(project)["version"] == version
    project.inv("rollback", "--auto-approve", "--keep-schema").ok()
    assert ask(project)["version"] == "1.1.0"
