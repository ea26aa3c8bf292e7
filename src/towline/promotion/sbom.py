"""The bill of materials of a release: its Python packages, in CycloneDX 1.5 (ECMA-424)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from towline.promotion.dependencies import normalised, pins

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NAMESPACE = uuid.UUID("f3374a96-42af-555d-8aec-e00eec34bd9d")


@dataclass(frozen=True)
class Package:
    """One pinned package.

    Attributes:
        name: As PEP 503 has it.
        version: The version it is pinned to.
        hashes: SHA-256 of its distributions, in hex.
    """

    name: str
    version: str
    hashes: tuple[str, ...] = ()


def packages(texts: Sequence[str]) -> list[Package]:
    """The packages that requirements files pin, sorted; of one that two pin, the later counts."""
    found: dict[str, Package] = {}
    for text in texts:
        # A line that ends with a backslash goes on: the hashes follow the pin.
        for line in re.sub(r"\\\r?\n", " ", text).splitlines():
            for name, version in pins(line).items():
                found[normalised(name)] = Package(name, version, tuple(_HASH.findall(line)))
    return [found[name] for name in sorted(found)]


def bill_of_materials(project: str, version: str, found: Sequence[Package]) -> bytes:
    """The document, as JSON; the same for the same packages, whenever it is made.

    Args:
        project: Name of the project.
        version: Version of the release.
        found: Its packages.
    """
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot5
    from packageurl import PackageURL

    main = Component(
        name=project,
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref=f"{project}@{version}",
    )
    document = Bom()
    document.metadata.component = main
    components = []
    for item in found:
        address = PackageURL("pypi", name=item.name, version=item.version)
        # One hash of an algorithm is what a component has; of many distributions none is it.
        hashes = item.hashes if len(item.hashes) == 1 else ()
        components.append(
            Component(
                name=item.name,
                version=item.version,
                type=ComponentType.LIBRARY,
                purl=address,
                bom_ref=str(address),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=text) for text in hashes],
            )
        )
        document.components.add(components[-1])
    document.register_dependency(main, components)
    content = repr((project, version, [(item.name, item.version, item.hashes) for item in found]))
    document.serial_number = uuid.uuid5(_NAMESPACE, content)
    return _normalized(json.loads(JsonV1Dot5(document).output_as_string()))


def _normalized(data: Mapping[str, object]) -> bytes:
    """Without the time of writing, and in one order."""
    metadata = data.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("timestamp", None)
    return (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()
