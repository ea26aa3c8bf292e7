"""What an environment's Compose projects, networks and volumes are called on an engine.

One environment has three Compose projects: `NAME` for backing services and the router,
`NAME-blue` and `NAME-green` for what is replaced. NAME is PROJECT-ENV where nothing else can be
read into that; else a short digest of both names follows, because project `shop` with environment
`api-prod` must not share anything with project `shop-api` and environment `prod`.

Up to version 0.6.0 it was PROJECT-ENV in any case. What was made under that name stays in use
for as long as it exists: a database is not to be moved, nor stopped, for the sake of a name.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

# Extension of a rendered file: what its external networks and volumes are to be made like.
SHARED = "x-towline-shared"

_DIGITS = 6


@dataclass(frozen=True)
class Names:
    """The names of one environment on one host.

    Attributes:
        own: Compose project of backing services and router, as it is called today.
        early: What version 0.6.0 would have called it.
        in_use: Names of the Compose project, networks and volumes of ours that go by `early`.
    """

    own: str
    early: str = ""
    in_use: frozenset[str] = frozenset()

    @property
    def persistent(self) -> str:
        """Compose project of backing services and router."""
        return self.early if self.early in self.in_use else self.own

    def slot(self, slot: str) -> str:
        """Compose project of one slot."""
        return f"{self.own}-{slot}"

    def resource(self, key: str) -> str:
        """A network or volume to which the Compose file gives no name of its own."""
        early = f"{self.early}_{key}"
        return early if early in self.in_use else f"{self.own}_{key}"

    def current(self, model: dict[str, Any]) -> dict[str, Any]:
        """A rendered file under today's names.

        A retained release may have been rendered under the early names, which went with `down`.
        """
        if not self.early:
            return model
        own = self.persistent if model["name"] == self.early else model["name"]
        renamed = {**model, "name": own}
        for kind in ("networks", "volumes"):
            renamed[kind] = {
                key: {**item, "name": self._today(item["name"])}
                for key, item in (model.get(kind) or {}).items()
            }
        shared = model.get(SHARED) or {}
        renamed[SHARED] = {
            kind: {self._today(name): options for name, options in found.items()}
            for kind, found in shared.items()
        }
        return {key: value for key, value in renamed.items() if value or key in model}

    def _today(self, name: str) -> str:
        prefix = f"{self.early}_"
        return self.resource(name.removeprefix(prefix)) if name.startswith(prefix) else name


def compose_project(project: str, environment: str) -> str:
    """NAME of an environment, which no other one can have."""
    name = early_project(project, environment)
    # What Compose puts behind it begins with `-` or `_`; what stands before begins with neither.
    if "-" not in project and not {"-", "_"} & set(environment):
        return name
    digest = hashlib.sha256(f"{project}\0{environment}".encode()).hexdigest()
    return f"{name}-{digest[:_DIGITS]}"


def early_project(project: str, environment: str) -> str:
    """NAME as version 0.6.0 made it."""
    return f"{project}-{environment}"
