"""What every plan can do, whatever it is a plan of: be shown before anything is touched."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol


class Planned(Protocol):
    """A plan of a deploy, a promotion or a release."""

    schema: ClassVar[str]
    """What its data is called together; `docs/json.md` describes the fields."""

    @property
    def nothing_to_do(self) -> bool:
        """Whether all is already as wished."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What is worth knowing before it is carried out."""
        ...

    def lines(self) -> Iterable[str]:
        """The plan for people, warnings and all."""
        ...

    def data(self) -> Mapping[str, Any]:
        """The plan for machines; it holds no secret."""
        ...
