"""Which engines there are: those of Towline, and those that installed packages add.

A package adds one by an entry point of the group `towline.engines`; nothing is loaded here.
"""

import difflib

BUILT_IN = ("compose",)
GROUP = "towline.engines"


def known_kinds() -> list[str]:
    """The values of `engine:`, sorted."""
    from importlib.metadata import entry_points

    return sorted({*BUILT_IN, *(item.name for item in entry_points(group=GROUP))})


def require_kind(kind: str) -> str:
    """The kind itself.

    Raises:
        ValueError: When no engine is called so, in words for people.
    """
    # Whoever needs no other engine does not read the metadata of all installed packages.
    if kind not in BUILT_IN and kind not in (known := known_kinds()):
        near = difflib.get_close_matches(kind, known, n=1, cutoff=0.5)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        raise ValueError(f"unknown engine {kind!r}{hint} (known: {', '.join(known)})")
    return kind
