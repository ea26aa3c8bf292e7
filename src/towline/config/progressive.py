"""The settings of strategies that go in steps: canary and rolling."""

import itertools
import re
from typing import Annotated, Literal, TypeGuard

from pydantic import AfterValidator, BeforeValidator, Field

from towline.config.model import Model
from towline.config.units import Duration

PAUSE: Literal["pause"] = "pause"
_SHARE = "write a percentage between 1% and 99%, such as 10%"


def _share(given: object) -> object:
    if given == PAUSE:
        return given
    found = re.fullmatch(r"([1-9]\d?)\s*%?", str(given).strip())
    if found is None:
        raise ValueError(f"{given!r} is no step: {_SHARE}, or `pause`")
    return int(found[1])


_Share = Annotated[int, Field(ge=1, le=99)]
CanaryStep = Annotated[
    _Share | Literal["pause"],
    BeforeValidator(_share, json_schema_input_type=_Share | str),
]


def is_share(step: int | str) -> TypeGuard[int]:
    """Whether a step is a share of traffic, and no pause."""
    return step != PAUSE


def _rising(steps: list[int | Literal["pause"]]) -> list[int | Literal["pause"]]:
    shares = [step for step in steps if is_share(step)]
    if not shares:
        raise ValueError(f"a canary has at least one share of traffic: {_SHARE}")
    if any(after <= before for before, after in itertools.pairwise(shares)):
        given = ", ".join(f"{share}%" for share in shares)
        raise ValueError(f"{given}: each step is a larger share of traffic than the one before")
    return steps


class Canary(Model):
    """Traffic in steps: the new release gets a share, then more, while the old one stays full."""

    steps: Annotated[list[CanaryStep], AfterValidator(_rising)] = Field(
        [10, 25, 50],
        description="Shares of traffic, each larger than the one before, such as `10%`; `pause` "
        "waits there for `inv deploy.promote`. The end is all traffic.",
    )
    window: Duration = Field(
        300.0, description="How long the new release is judged at each share of traffic."
    )
    replicas: int | None = Field(
        None,
        ge=1,
        description="Containers of each new app service until the end; without it as many as the "
        "share asks for.",
    )
