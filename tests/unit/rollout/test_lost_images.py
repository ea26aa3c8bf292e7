"""A retained release that is deployed again asks its engine once for images that it lost."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from fakes import FakeHostEnvironment, release

from towline.rollout import deploy_inputs
from towline.rollout.planner import Baseline

KNOWN, GONE = "api@sha256:1", "api@sha256:2"


@pytest.fixture
def site(tmp_path, monkeypatch):
    manifest = SimpleNamespace(version="1.0.1", content="1.0.1", commit="c")
    monkeypatch.setattr(deploy_inputs, "read_manifest", lambda _: manifest)
    monkeypatch.setattr(deploy_inputs, "fingerprint", lambda *_, **__: "1.0.1")
    monkeypatch.setattr(deploy_inputs, "read_baseline", lambda *_: Baseline({}, {}))
    monkeypatch.setattr(deploy_inputs.host_files, "wanted_of", lambda *_: {})
    monkeypatch.setattr(deploy_inputs.host_files, "of_release", lambda *_: {})
    made = FakeHostEnvironment(tmp_path)
    made.values, made.by_registry, made.asked = {}, True, []
    made.gone = set()

    def missing(images):
        made.asked.append(sorted(images))
        return set(images) & made.gone

    made.engine.images.missing = missing
    return made


def test_whole_or_to_be_pulled_again_it_is_asked_once(site):
    retained = site.keep("1.0.1", images={"api": KNOWN})
    found = deploy_inputs.promoted(site, resolve=False)
    assert (found.candidate.retained, found.candidate.to_pull) == (retained, ())
    assert site.asked == [[KNOWN]]
    site.gone = {KNOWN}
    found = deploy_inputs.promoted(site, resolve=False)
    assert [item.reference for item in found.candidate.to_pull] == [KNOWN]
    assert site.asked == [[KNOWN]] * 2


def test_of_several_each_is_asked_once_until_one_is_whole(site):
    site.keep("1.0.1", images={"api": KNOWN})
    made = release("1.0.1", site.folder, images={"api": GONE})
    later = replace(made, id="1.0.1+r2", folder=made.folder.with_name("1.0.1+r2"))
    site.store.add(later, {})
    site.by_registry, site.gone = False, {GONE}
    found = deploy_inputs.promoted(site, resolve=False)
    assert found.candidate.retained.id == "1.0.1"
    assert site.asked == [[GONE], [KNOWN]]
