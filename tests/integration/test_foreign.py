"""Things of others, of every kind, around a full life: each is as it was after every phase."""

import shlex
import subprocess

import pytest

from projects import git
from towline.lab.fleet import Lab
from toy import APP, release, toy_on, version_on

USER = "newcomer"
STATE = "/var/lib/towline"
# A program and its libraries, from the host itself.
TINY = "cd / && tar -ch bin/sleep $(ldd /bin/sleep | grep -o '/[^ ]*') | docker import"
EMPTY = "tar cT /dev/null | docker import"


class Theirs:
    """What others have on the host and here: how each thing is shown, and what that said first."""

    def __init__(self, host):
        self.host = host
        self.things = {}

    def run(self, script, *, here=False):
        place = [] if here else ["docker", "exec", self.host]
        done = subprocess.run(
            [*place, "sh", "-ec", script], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def plant(self, table, *, here=False):
        self.run("\n".join(make for make, _ in table.values()), here=here)
        planted = {title: (here, look) for title, (_, look) in table.items()}
        said = self.look(planted)
        assert not [title for title, shown in said.items() if not shown.strip()]
        self.things |= {title: (*planted[title], said[title]) for title in table}

    def look(self, things):
        """What each thing is now; all of a place are shown by one command."""
        found = {}
        for here in (False, True):
            titles = [title for title, thing in things.items() if thing[0] is here]
            shows = "".join(f"printf '\\001'; {{ {things[t][1]}; }} 2>&1 || :\n" for t in titles)
            found |= dict(zip(titles, self.run(shows, here=here).split("\1")[1:], strict=True))
        return found

    def assert_untouched(self):
        now = self.look(self.things)
        changed = {
            title: (was, now[title])
            for title, (_, _, was) in self.things.items()
            if was != now[title]
        }
        assert changed == {}


def container(name, *options, command="/bin/sleep 9999"):
    return (
        f"docker run --detach --name {name} --network none {shlex.join(options)} {command}",
        f"docker inspect -f '{{{{.Id}}}} {{{{.State.Status}}}} {{{{.State.StartedAt}}}}' {name}",
    )


def exited(name, *options):
    make, show = container(name, *options, command="/bin/sleep 0")
    return f"{make}; docker wait {name}", show


def network(name):
    return (f"docker network create {name}", f"docker network inspect -f '{{{{.Id}}}}' {name}")


def volume(name):
    rows = f"/var/lib/docker/volumes/{name}/_data/rows"
    show = f"docker volume inspect -f '{{{{.CreatedAt}}}}' {name}; cat {rows}"
    return (f"docker volume create {name}; echo precious >{rows}", show)


def image(name, make):
    return (f"{make} {name}", f"docker image inspect -f '{{{{.Id}}}}' {name}")


def displaced(name, make):
    """An image under a name that ours will take: it is there, and still has a name."""
    file = f"/tmp/{name.replace(':', '-')}.id"
    return (
        f"{make} {name} >{file}",
        f"docker image inspect -f '{{{{.Id}}}} {{{{len .RepoTags}}}}' $(cat {file})",
    )


def dangling(title, make):
    file = f"/tmp/{title}.id"
    return (
        f"{make} - >{file}",
        f"docker image inspect -f '{{{{.Id}}}} {{{{.RepoTags}}}}' $(cat {file})",
    )


def file(path, owner="", mode="640"):
    give = f" && chown {owner} {path}" if owner else ""
    return (
        f"mkdir -p $(dirname {path}) && echo 'theirs: {path}' >{path} && chmod {mode} {path}{give}",
        f"stat -c '%u %g %a %Y' {path}; cat {path}",
    )


def copy(source, target):
    return (
        f"cp -a {source} {target}",
        f"cd {target} && find . -type f -exec sha256sum {{}} + | sort",
    )


@pytest.fixture
def life(lab, tmp_path):
    """A project on the first host of the lab, which is as before in the end."""
    host = lab.hosts[0]
    project = toy_on(tmp_path, Lab(lab.folder, [host], lab.registry), rollout=", keep: 1")
    config = project.root / "towline.yaml"
    config.write_text(config.read_text().replace("[lab1]", f"[{USER}@lab1]"))
    compose = project.root / "deploy/docker/docker-compose.prod.yml"
    mounts = f'volumes: ["/srv/{project.name}:/data", "uploads:/uploads"]'
    app = "x-towline: {role: app"
    text = compose.read_text().replace(app, f"{mounts}\n    {app}")
    compose.write_text(text + "volumes: {uploads: {}}\n")
    (project.root / ".gitignore").write_text("*.ignored\n")
    theirs = Theirs(host.container)
    # What other tests left there belongs to a user who shows nobody which images it needs.
    theirs.run(f"rm -rf {STATE}/*")
    yield project, theirs, lab
    images = f"docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' | grep {project.name}"
    clean = f"""
docker ps -aq --filter name={project.name} | xargs -r docker rm -f
docker network ls -q --filter name={project.name} | xargs -r docker network rm
docker volume ls -q --filter name={project.name} | xargs -r docker volume rm
{images} | xargs -r docker rmi -f
cat /tmp/{project.name}*.id | xargs -r docker rmi -f
rm -f /tmp/{project.name}*.id
"""
    there = f"rm -rf {STATE}/* /srv/{project.name} /etc/towline; userdel --remove {USER}"
    subprocess.run(["sh", "-c", clean], capture_output=True, check=False)
    subprocess.run(["docker", "exec", theirs.host, "sh", "-c",
                    f"{clean}{there}; chown deploy: {STATE}"],
                   capture_output=True, check=False)  # fmt: skip


def test_towline_deletes_only_what_it_made(life):
    project, theirs, lab = life
    name, root = project.name, project.root
    ours, state = f"{name}-local", f"{STATE}/{name}/local"
    source = {
        "a file in the source tree": file(f"{root}/app/notes.txt"),
        "a file in the deploy tree": file(f"{root}/deploy/docs/runbook.md"),
        "a file that git ignores": file(f"{root}/deploy/docker/mine.ignored"),
        "a file where init writes": file(f"{root}/deploy/docs/DEPLOYMENT.md"),
        "an image here": image(f"{name}-api:9.9.9", f"{EMPTY} -"),
        "its name here is ours soon": displaced(f"{name}-api:1.1.0", f"{EMPTY} -"),
        "a dangling image here": dangling(f"{name}-dangling", EMPTY),
    }
    tiny = f"{name}-tiny:1"
    on_host = {
        "an image": image(tiny, f"{TINY} -"),
        "an image like ours": image(f"{name}-api:9.9.9", f"docker tag {tiny}"),
        "its name is ours soon": displaced(f"{name}-api:1.1.0", f"{TINY} -"),
        "a dangling image": dangling(f"{name}-dangling", TINY),
        "a container": container(f"{name}-other", tiny),
        "a container named like ours": container(f"{ours}-blue-web-2", tiny),
        "a container of plain compose": container(
            f"{name}-web-1", f"--label=com.docker.compose.project={name}", tiny
        ),
        "an exited container": exited(f"{ours}-job-1", tiny),
        "a network": network(f"{ours}_other"),
        "a volume": volume(f"{ours}_data"),
        "data in a folder that is mounted": file(f"/srv/{name}/rows", owner="33:33"),
        "a file beside the state": file(f"{STATE}/theirs"),
        "a file beside our record": file("/etc/towline/theirs"),
    }  # fmt: skip
    theirs.plant(source, here=True)
    theirs.plant(on_host)

    provision = ("provision", "--login", "root", "--yes")
    project.inv(*provision, "--key", str(lab.folder / "id_ed25519.pub")).ok()
    home = f"/home/{USER}"
    theirs.plant({
        "a file in the home folder": file(f"{home}/work/theirs", owner=f"{USER}:"),
        "a key to log in with": (
            f"echo 'ssh-ed25519 AAAA theirs' >>{home}/.ssh/authorized_keys",
            f"grep theirs {home}/.ssh/authorized_keys",
        ),
    })  # fmt: skip
    theirs.assert_untouched()

    git(root, "add", "-A")
    git(root, "commit", "-qm", "feat: ours")
    config = (root / "towline.yaml").read_text()
    (root / "towline.yaml").unlink()
    assert "keep" in project.inv("init").ok().out
    theirs.assert_untouched()
    # The small project needs none of what it wrote.
    git(root, "checkout", "-q", ".")
    git(root, "clean", "-fdq")
    assert (root / "towline.yaml").read_text() == config

    release(project, "1.0.0")
    project.inv("deploy").ok()
    theirs.assert_untouched()
    tags = {
        "a tag of ours": image(f"{name}-api:demo", f"docker tag {name}-api:1.0.0"),
        "our version in another repository": image(
            f"customer/{name}:1.0.0", f"docker tag {name}-api:1.0.0"
        ),
    }
    beside = {"a file beside promoted ones": file(f"{root}/deploy/src/theirs.py")}
    theirs.plant(beside | {f"{title}, here": thing for title, thing in tags.items()}, here=True)
    first = f"{state}/releases/1.0.0"
    theirs.plant({
        **tags,
        "a file beside the environment": file(f"{STATE}/{name}/theirs"),
        "a file in the state folder": file(f"{state}/theirs"),
        "a file beside the routes": file(f"{state}/routes/theirs"),
        "a file in the mounted configuration": file(f"{state}/live/theirs"),
        "a file beside a mounted one": file(f"{state}/live/security/nginx/theirs.conf"),
        "a file beside the releases": file(f"{state}/releases/README"),
        "a copy of a release": copy(first, f"{first}.bak"),
        "a file in a release": file(f"{first}/notes"),
        "a file in its tree": file(f"{first}/tree/docker/theirs"),
        "a container of our image": container(
            f"{name}-ours", f"{name}-api:1.0.0", command="sleep 9999"
        ),
    })  # fmt: skip

    release(project, "1.1.0")
    said = project.inv("deploy").ok()
    assert f"{name}-api:1.1.0 was not built by Towline" in said.text
    theirs.assert_untouched()
    release(project, "1.2.0", f"raise SystemExit('broken')\n{APP}")
    failed = project.inv("deploy")
    assert failed.code == 4, failed.text
    assert version_on(lab.hosts[0]) == "1.1.0"
    theirs.assert_untouched()

    release(project, "1.3.0")
    said = project.inv("deploy").ok()
    left = f"left in {first}, not made by Towline: notes, tree/docker/theirs"
    assert f"removed 1.0.0; {left}" in said.text
    found = theirs.run(f"cd {first} && find . -type f | sort").split()
    assert found == ["./notes", "./tree/docker/theirs"]
    theirs.assert_untouched()
    project.inv("rollback", "--auto-approve").ok()
    theirs.assert_untouched()

    said = project.inv("down", "--yes").ok()
    assert f"volumes with their data: {ours}_uploads; --volumes removes them" in said.err
    assert f"{name}-api:1.3.0; --images removes them" in said.err
    theirs.assert_untouched()
    said = project.inv("down", "--yes", "--volumes", "--images").ok()
    assert f"remove image {name}-api:1.3.0" in said.out
    tags = "docker image ls --format '{{.Tag}}' " + f"{name}-api"
    assert not {"1.0.0", "1.1.0", "1.2.0", "1.3.0"} & set(theirs.run(tags).split())
    # This machine forgets what is pruned; others may run here what is taken down there.
    assert {"1.0.0", "1.3.0"} & set(theirs.run(tags, here=True).split()) == {"1.3.0"}
    assert f"{ours}_uploads" not in theirs.run("docker volume ls -q")
    theirs.assert_untouched()

    project.inv(*provision, "--destroy", "--force").ok()
    assert theirs.run(f"getent passwd {USER} || echo gone") == "gone\n"
    assert theirs.run(f"stat -c %U {STATE}") == "deploy\n"
    theirs.assert_untouched()
