"""Old releases are forgotten with their images, but for those that somebody can roll back to."""

import pytest
from fakes import FakeEngine, FakeHostEnvironment, release

from towline.environments.host_environment import Fleet
from towline.rollout import down
from towline.rollout.retention import prune
from towline.state.releases import ReleaseStore, StateFolder, Status


@pytest.fixture
def gone():
    """The images that were removed."""
    return []


@pytest.fixture
def site(tmp_path, gone):
    """Five releases of an environment with an image each, and one that all have."""
    made = FakeHostEnvironment(tmp_path / "shop" / "prod")
    made.engine.images.remove = lambda image, tags: gone.append(image) or []
    for number in range(5):
        made.keep(
            f"1.{number}.0",
            status=Status.GOOD,
            images={"api": f"image{number}", "db": "postgres"},
        )
    return made


def other(tmp_path, place, version="1.0.0", images=("image0",)):
    folder = tmp_path / place
    retained = release(version, folder, images={f"s{n}": image for n, image in enumerate(images)})
    ReleaseStore(FakeHostEnvironment(folder).host.files, StateFolder(folder)).add(retained, {})
    return folder


def prune_to_three(site):
    return prune(site, site.store.get("1.4.0"), 3)


def test_images_go_with_the_releases_that_alone_had_them(site, gone):
    assert prune_to_three(site) == ["removed 1.0.0, 1.1.0"]
    assert gone == ["image0", "image1"]
    assert [item.id for item in site.store.all()] == ["1.2.0", "1.3.0", "1.4.0"]
    assert prune_to_three(site) == []


def test_what_others_put_into_a_release_folder_stays_and_is_named(site):
    folder = site.store.get("1.0.0").folder
    (folder / "notes").write_text("theirs")
    done = prune_to_three(site)
    assert done[1] == f"left in {folder}, not made by Towline: notes"
    assert [path.name for path in folder.iterdir()] == ["notes"]


@pytest.mark.parametrize("place", ["shop/staging", "news/prod"])
def test_what_another_environment_keeps_stays(site, gone, tmp_path, place):
    other(tmp_path, place)
    prune_to_three(site)
    assert gone == ["image1"]


def test_an_environment_with_a_state_folder_of_its_own_looks_beside_it(tmp_path, gone):
    site = FakeHostEnvironment(tmp_path / "state-prod")
    site.engine.images.remove = lambda image, tags: gone.append(image) or []
    for number in range(2):
        site.keep(f"1.{number}.0", images={"api": f"image{number}"})
    other(tmp_path, "state-staging")
    prune(site, site.store.get("1.1.0"), 1)
    assert gone == []
    assert [item.id for item in site.store.all()] == ["1.1.0"]


def test_where_another_cannot_be_read_images_are_left_and_that_is_said(site, gone, tmp_path):
    folder = other(tmp_path, "shop/staging")
    (folder / "releases/1.0.0/release.json").write_text("{")
    done = prune_to_three(site)
    assert done[0] == "removed 1.0.0, 1.1.0"
    assert "left their images" in done[1]
    assert "release.json cannot be read" in done[1]
    assert gone == []


@pytest.fixture
def here(site, monkeypatch, tmp_path):
    """The images that this machine, which is not the host, removed."""
    monkeypatch.setenv("TOWLINE_STATE", str(tmp_path / "own"))
    removed = []
    site.remote, site.builder = True, FakeEngine()
    site.builder.images.remove = lambda image, tags: removed.append(image) or []
    return removed


def test_this_machine_keeps_what_its_own_environments_can_go_back_to(site, gone, here, tmp_path):
    other(tmp_path, "own/shop/local")
    assert prune_to_three(site) == ["removed 1.0.0, 1.1.0"]
    assert (gone, here) == (["image0", "image1"], ["image1"])


def test_so_it_does_with_a_state_folder_of_its_own(site, gone, here, tmp_path):
    folder = other(tmp_path, "elsewhere", images=("image1",))
    local = site.project.environment("local").model_copy(update={"state": str(folder)})
    site.project.settings.environments["local"] = local
    prune_to_three(site)
    assert (gone, here) == (["image0", "image1"], ["image0"])


def test_where_its_own_cannot_be_read_it_keeps_all_and_says_so(site, gone, here, tmp_path):
    folder = other(tmp_path, "own/news/prod")
    (folder / "releases/1.0.0/release.json").write_text("{")
    done = prune_to_three(site)
    assert done[1].startswith("left their images on this machine: ")
    assert (gone, here) == (["image0", "image1"], [])


def test_down_leaves_the_images_of_the_machine_that_built_them(site, gone, here):
    """It announced those on the host alone, and others here may run the very same ones."""
    prune_to_three(site)
    assert here == gone == ["image0", "image1"]
    extent = down.Extent(images=True)
    said = down.plan(Fleet((site,)), extent)
    down.take_down(Fleet((site,)), extent)
    assert set(gone) == {*(f"image{n}" for n in range(5)), "postgres"}
    assert {f"localhost: remove image {name}" for name in gone[2:]} <= set(said)
    assert here == ["image0", "image1"]


def test_canaries_that_were_aborted_push_no_good_release_out(site):
    for number in (5, 6, 7):
        site.keep(f"1.{number}.0")
    site.keep("1.8.0", status=Status.GOOD)
    assert prune(site, site.store.get("1.8.0"), 3) == ["removed 1.0.0, 1.1.0, 1.2.0"]
    # They go once they are older than all that is retained.
    for number in (9, 10):
        site.keep(f"1.{number}.0", status=Status.GOOD)
    prune(site, site.store.get("1.10.0"), 2)
    assert [item.id for item in site.store.all()] == ["1.9.0", "1.10.0"]
