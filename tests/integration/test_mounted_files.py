"""Files that containers mount: what services wrote stays."""

import pytest

from projects import docker, remove
from toy import release, toy


@pytest.fixture
def project(tmp_path):
    made = toy(tmp_path)
    yield made
    remove(made)


def test_what_a_service_wrote_below_the_deploy_tree_survives(project):
    """S1 and S10: refused by the check; and where it is there, no deploy deletes or follows it."""
    compose = project.root / "deploy/docker/docker-compose.prod.yml"
    compose.write_text(compose.read_text().replace("../docker/notes:/notes:ro", "../data:/data"))
    seed = project.root / "deploy/data/seed"
    seed.parent.mkdir()
    seed.write_text("one\n")
    release(project, "1.0.0")
    refused = project.inv("deploy")
    assert refused.code == 3
    assert "notes may write to data, which is in the deploy tree" in refused.err
    assert not (project.folder / "live").exists()
    project.inv("deploy", "--skip-check").ok()
    name = f"{project.name}-local-notes-1"
    docker("exec", name, "sh", "-c", "echo row > /data/rows; mkdir /data/wal; echo 1 > /data/wal/1")
    started = docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name)

    def assert_whole():
        assert docker("exec", name, "cat", "/data/rows", "/data/wal/1") == "row\n1\n"
        assert docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name) == started

    release(project, "1.1.0")
    project.inv("deploy", "--skip-check").ok()
    assert_whole()
    project.inv("rollback", "--auto-approve").ok()
    assert_whole()
    # The container turns the file that Towline placed into a link to a file of the host.
    precious = project.state / "precious"
    precious.write_text("precious\n")
    docker("exec", name, "sh", "-c", f"rm /data/seed; ln -s {precious} /data/seed")
    seed.write_text("two\n")
    release(project, "1.2.0")
    found = project.inv("pre-deploy-check")
    assert found.code == 3
    assert "/live/data/seed is a symbolic link" in found.text
    project.inv("hold.lift").ok()
    told = project.inv("deploy", "--skip-check").ok()
    assert "/live/data/seed is a symbolic link" in told.err
    assert precious.read_text() == "precious\n"
    assert_whole()
