"""Who gets which of two releases: the same one again and again, or the new one because they ask."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

COOKIE = "towline_release"
_PREVIEW, _KEY, _SET = "$preview_towline", "$stick_towline", "$set_stick_towline"


@dataclass(frozen=True)
class Policy:
    """How requests are told apart; the default tells none.

    Attributes:
        stick: What a user is recognized by: `cookie`, `header` or `address`; empty for nothing.
        header: The header, where that is one.
        preview_header: Header of requests that always reach the new release.
        preview_cookie: Cookie of such requests.
        preview_value: The value that it has.
        preview_slot: The slot that they reach.
    """

    stick: str = ""
    header: str = ""
    preview_header: str = ""
    preview_cookie: str = ""
    preview_value: str = ""
    preview_slot: str = ""

    @property
    def key(self) -> str:
        """What nginx splits requests by."""
        if not self.stick:
            return "$request_id"
        return "$remote_addr" if self.stick == "address" else _KEY

    @property
    def previews(self) -> bool:
        """Whether some requests reach a slot whatever its share is."""
        return bool(self.preview_slot and (self.preview_header or self.preview_cookie))

    @property
    def preview(self) -> str:
        """The variable that holds the slot that a request asks for; empty for most."""
        return _PREVIEW

    def data(self) -> dict[str, Any]:
        """As plain data, without what is not set; `read_policy` reads it."""
        return {name: value for name, value in asdict(self).items() if value}

    def lines(self) -> list[str]:
        """The nginx lines that its variables come from."""
        lines: list[str] = []
        if self.stick in ("cookie", "header"):
            known = f"$cookie_{COOKIE}" if self.stick == "cookie" else _header(self.header)
            lines += ["", f"map {known} {_KEY} {{", f"    default {known};",
                      '    "" $request_id;', "}"]  # fmt: skip
        if self.stick == "cookie":
            made = f'"{COOKIE}=$request_id; Path=/; HttpOnly; SameSite=Lax"'
            lines += ["", f"map $cookie_{COOKIE} {_SET} {{", '    default "";', f'    "" {made};',
                      "}", f"add_header Set-Cookie {_SET} always;"]  # fmt: skip
        if self.previews:
            asked = _header(self.preview_header)
            asked = asked if self.preview_header else f"$cookie_{self.preview_cookie}"
            lines += ["", f"map {asked} {_PREVIEW} {{", '    default "";',
                      f'    "{self.preview_value}" {self.preview_slot};', "}"]  # fmt: skip
        return lines


# Nobody is told apart from anybody.
ANYBODY = Policy()


def _header(name: str) -> str:
    return "$http_" + name.lower().replace("-", "_")


def read_policy(data: Mapping[str, Any]) -> Policy:
    """A policy from its plain data.

    Raises:
        TypeError: When it has keys that are not known.
    """
    return Policy(**data)
