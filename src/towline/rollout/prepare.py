"""Make a release out of the deploy tree: build, pull, and write its folder on the host."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from towline.config.envfile import write_env
from towline.config.services import Role, Service, count_replicas
from towline.config.units import format_size
from towline.engines.bundle import Bundle, Draft
from towline.environments.host_environment import HostEnvironment
from towline.environments.host_files import HostFiles, owner_of
from towline.errors import TowlineError
from towline.hosts.reading import digest
from towline.images.registry import repository
from towline.promotion.manifest import Manifest
from towline.promotion.tree import MANIFEST_FILE
from towline.rollout.arrivals import Arrivals, expect
from towline.rollout.deploy_inputs import Promoted, retained_manifest
from towline.rollout.host_rollout import Action, CancellationCheck
from towline.rollout.image_sources import exact_name, other_content
from towline.rollout.planner import Candidate, short
from towline.rollout.steps import table
from towline.state.releases import Release


@dataclass
class Preparation:
    """The steps before anything in the environment is touched.

    Attributes:
        host_files: The keys and secrets that app services read.
    """

    site: HostEnvironment
    manifest: Manifest
    candidate: Candidate
    bundle: Bundle
    host_files: HostFiles = field(default_factory=dict)

    def actions(self) -> dict[str, Action]:
        """Step name -> action."""
        arrivals = Arrivals(self.site, self.candidate, self._verify)
        return {
            table.BUILD: self.build,
            table.PUSH: lambda _: self.push(),
            table.PULL: lambda _: arrivals.pull(),
            table.SHIP: lambda _: arrivals.ship(),
            table.PREPARE: lambda _: self.prepare(),
        }

    def build(
        self, check_cancelled: CancellationCheck | None = None, *, everything: bool = False
    ) -> str:
        """Build the images that are missing (or all); returns their ids.

        Args:
            check_cancelled: Raises when the build is to end.
            everything: Whether to build what is there, too.
        """
        engine, version = self.site.builder, self.manifest.version
        built = self.bundle.built
        names = sorted(built) if everything else list(self.candidate.to_build)
        images = sorted({built[name] for name in names})
        said = [line for line in map(engine.images.set_aside, images) if line]
        engine.build(self._draft(), names, self.manifest.content, check_cancelled)
        for name in names:
            image = engine.images.find(built[name])
            if image is None:
                raise TowlineError(
                    f"{name} was built, but image {built[name]} is not on {self.site.here.name}"
                )
            if self.manifest.commit:
                tag = f"{version}-{self.manifest.commit[:12]}".replace("+", "_")
                engine.images.tag(built[name], f"{repository(built[name])}:{tag}")
            said.append(f"{built[name]} is {short(image.id)}")
        return ", ".join(said)

    def push(self) -> str:
        """Bring the images that were built here to their registries."""
        site = self.site
        pushed = there = 0
        for reference in self.candidate.to_push:
            auth = site.registries.authentication(reference)
            new, old = site.builder.images.push(reference, auth)
            pushed, there = pushed + new, there + old
            site.registries.forget(reference)
        return f"{pushed} layers, {there} were there"

    def prepare(self) -> str:
        """Write the release folder, whole or not at all."""
        site = self.site
        named = {name: ref for name, ref in self.bundle.images.items() if ref}
        known = {reference: self._pinned(reference) for reference in set(named.values())}
        images = {name: known[reference] for name, reference in named.items()}
        draft = replace(self._draft(), images=images)
        files = {name: (data, 0o600) for name, data in site.engine.prepare(draft).items()}
        files["env"] = (write_env(site.values).encode(), 0o600)
        files |= self._tree(draft)
        for path, file in self.host_files.items():
            files[f"tree/{path.as_posix()}"] = (file.data, file.mode)
        beside = self._beside(files)
        before = site.store.sent
        own = self._host_files(draft)
        site.store.add(replace(self._release(draft), host_files=own), files, beside)
        sent = site.store.sent - before
        site.transferred.files += sent
        if not site.remote:
            return f"{len(files)} files"
        return f"{len(files) - len(beside)} of {len(files)} files, {format_size(sent)}"

    def _beside(self, files: Mapping[str, tuple[bytes, int]]) -> dict[str, Path]:
        """Files that the newest retained release has as well, by its manifest."""
        retained = self.site.store.all() if self.site.remote else []
        if not retained:
            return {}
        before = retained[-1]
        found = {}
        for name, record in retained_manifest(self.site.host.files, before).files.items():
            path = f"tree/{name}"
            data, mode = files.get(path, (b"", 0))
            is_same = hashlib.sha256(data).hexdigest() == record.sha256
            if path in files and is_same and f"{mode:04o}" == record.mode:
                found[path] = before.tree / name
        return found

    def _pinned(self, reference: str) -> str:
        site = self.site
        found = site.engine.images.find(exact_name(site.project, reference))
        if found is None:
            raise TowlineError(
                f"image {reference} is gone from {site.host.name} since the plan was made",
                remedy="run the command again",
            )
        return found.pinned

    def _verify(self, reference: str, pinned: str) -> None:
        """What was built elsewhere under this version's name must be this version's content."""
        if reference not in self.bundle.built.values():
            return
        found = self.site.engine.images.find(pinned)
        if found is None or found.content != self.manifest.content:
            raise other_content(reference)

    def _release(self, draft: Draft) -> Release:
        services = {
            name: service.model_dump(mode="json", exclude_defaults=True)
            | self._own_replicas(name, service)
            for name, service in self.bundle.services.items()
        }
        given = draft.replicas
        return Release(
            id=draft.id,
            version=draft.version,
            commit=draft.commit,
            fingerprint=self.candidate.fingerprint,
            content=self.manifest.content,
            images=draft.images,
            services=services,
            folder=self.site.state.releases / draft.id,
            replicas=given if isinstance(given, int) else 1,
            migrations=self.manifest.migrations,
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )

    def _own_replicas(self, name: str, service: Service) -> dict[str, int]:
        """How many containers a service has, where the number for all does not say it."""
        given = self.site.rollout.replicas
        count = count_replicas(given, name, service)
        is_common = count == given and service.role is Role.APP
        return {} if count is None or is_common else {"replicas": count}

    def _draft(self) -> Draft:
        candidate, manifest = self.candidate, self.manifest
        version, commit = manifest.version, manifest.commit
        return self.site.draft(self.bundle, candidate.id, version, commit, candidate.images)

    def _tree(self, draft: Draft) -> dict[str, tuple[bytes, int]]:
        """The promoted files that a host needs: all but source, unless source is mounted."""
        here = draft.bundle.tree
        reads = self.site.engine.reads(draft, *Role)
        mounted = {path for paths in reads.values() for path in paths}
        names = [
            path
            for path in self.manifest.files
            if not self.manifest.promotes(path)
            or any(Path(path).is_relative_to(m) for m in mounted)
        ]
        files = {}
        for name in [*names, MANIFEST_FILE]:
            mode = 0o755 if (here / name).stat().st_mode & 0o100 else 0o644
            files[f"tree/{name}"] = ((here / name).read_bytes(), mode)
        return files

    def _host_files(self, draft: Draft) -> dict[str, dict[str, Any]]:
        """The record of the keys and secrets that app services read, with who may read them."""
        return {
            path.as_posix(): {
                "sha256": digest(file.data),
                "mode": f"{file.mode:04o}",
                "owner": owner_of(self.site, draft, path, file),
            }
            for path, file in self.host_files.items()
        }


def preparation(site: HostEnvironment, promoted: Promoted) -> Preparation:
    """The preparation of a promoted release that is not retained yet."""
    manifest = promoted.manifest
    bundle = promoted.bundle or site.describe(manifest.version, manifest.commit)
    expect(site, promoted.candidate.to_ship)
    return Preparation(site, manifest, promoted.candidate, bundle, promoted.host_files)
