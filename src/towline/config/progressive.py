"""The settings of strategies that go in steps: canary and rolling."""

import itertools
import re
from typing import Annotated, Literal, Self, TypeGuard

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

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


# What nginx takes for its own in a `map`, in quotes too.
_NGINX_WORDS = ("default", "hostnames", "include", "volatile")


def _no_word_of_nginx(value: str) -> str:
    if value in _NGINX_WORDS:
        raise ValueError(
            f"`{value}` has a meaning of its own in nginx: choose another value, such as `new`"
        )
    return value


_Value = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$"), AfterValidator(_no_word_of_nginx)]
_Header = Annotated[str, Field(pattern=r"^([A-Za-z][A-Za-z0-9-]*)?$")]


class Preview(Model):
    """Requests that always reach the new release, from the moment that it runs."""

    header: _Header = Field("", description="Header that such requests have, such as `X-Release`.")
    cookie: str = Field(
        "", pattern=r"^([A-Za-z][A-Za-z0-9_]*)?$", description="Or the cookie that they have."
    )
    value: _Value = Field("new", description="The value of that header or cookie.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if bool(self.header) == bool(self.cookie):
            raise ValueError("a preview is asked for by a header or by a cookie: write one of them")
        return self


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
    stick: Literal["", "cookie", "header", "address"] = Field(
        "",
        description="What a user is recognized by, who then stays with a release while shares "
        "grow: a `cookie` that the router sets, a `header`, or the client's `address`.",
    )
    header: _Header = Field("", description="The header, where `stick` is `header`.")
    preview: Preview | None = Field(
        None, description="Requests that always reach the new release, whatever its share is."
    )

    @model_validator(mode="after")
    def _names_its_header(self) -> Self:
        if (self.stick == "header") != bool(self.header):
            raise ValueError("`stick: header` and `header` go together: write both, or none")
        return self


def _amount(given: object) -> object:
    if re.fullmatch(r"\d+", str(given)):
        return int(str(given))
    if isinstance(given, str) and re.fullmatch(r"(\d\d?|100)%", given):
        return given
    raise ValueError(f"{given!r} is neither a number of containers nor a percentage such as 25%")


Amount = Annotated[
    int | str, BeforeValidator(_amount, json_schema_input_type=Annotated[int, Field(ge=0)] | str)
]


def part_of(amount: int | str, total: int, *, up: bool) -> int:
    """How many containers an amount is.

    Args:
        amount: A number, or a percentage.
        total: What a percentage is of.
        up: Whether a percentage is rounded up, and not down.
    """
    if isinstance(amount, int):
        return amount
    hundredths = int(amount.removesuffix("%")) * total
    return -(-hundredths // 100) if up else hundredths // 100


class Rolling(Model):
    """Containers are replaced batch after batch; percentages are of what is wanted."""

    batch: Amount = Field(
        "25%", description="Containers that are replaced at once; a percentage is rounded up."
    )
    max_surge: Amount = Field(
        "25%",
        description="Containers that may run beyond what is wanted; a percentage is rounded up.",
    )
    max_unavailable: Amount = Field(
        0, description="Containers that may be missing; a percentage is rounded down."
    )

    @model_validator(mode="after")
    def _can_move(self) -> Self:
        if {self.max_surge, self.max_unavailable} <= {0, "0%"}:
            raise ValueError(
                "`max_surge` and `max_unavailable` are both 0: no container could be replaced"
            )
        return self
