"""Secrets that nobody told us of, known by their shape alone.

A page, a log or another program's message may show what is in none of our variables: a password
in an address, a signed link, an authorization header, a token that says by its prefix what it is.
"""

import re

from towline.config.secrets import MIN_MASKED, is_secret_name, is_token

MASK = "[redacted]"

# `://user:password@`; not `{NAME}` or `$NAME`, which stand for one, and no port with its path.
_PASSWORD = re.compile(r"(?P<before>://[^:/@\s'\"<>]*:)(?P<secret>[^/@\s'\"<>${\[][^/@\s'\"<>]*)@")
# Not of ssh:// or docker://: there a name stands before the host.
_TOKEN = re.compile(r"(?P<before>(?:https?|git|wss?)://)(?P<secret>[\w.~%+-]{12,})@", re.ASCII)
_PARAMETER = re.compile(r"(?P<before>[?&;](?P<name>[\w.-]+)=)(?P<secret>[^&;\s'\"<>]+)", re.ASCII)
_HEADER = re.compile(
    r"(?P<before>\b(?:Bearer|Basic) +)(?P<secret>[\w.~+/=-]{12,})", re.I | re.ASCII
)
_PREFIXED = re.compile(
    r"\b(?:[sr]k_(?:live|test)_\w{8,}|gh[opusr]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*)",
    re.ASCII,
)
_WEBHOOK = re.compile(
    r"(?P<before>\bhooks\.slack\.com/(?:services|workflows)/|\bdiscord(?:app)?\.com/api/webhooks/)"
    r"(?P<secret>[\w/-]+)",
    re.ASCII,
)
# What holds one of these expressions holds one of these words.
_IN_HEADERS = ("bearer ", "basic ")
_IN_PREFIXES = ("glpat-", "xox", "eyJ")
_WITH_UNDERSCORES = ("k_live_", "k_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")
_IN_WEBHOOKS = ("hooks.slack.com/", "discord.com/", "discordapp.com/")
_KEY = re.compile(
    r"(?P<before>-----BEGIN [A-Z ]*PRIVATE KEY-----)(?P<secret>.+?)(?=-----END|\Z)", re.DOTALL
)


def mask_shapes(text: str) -> str:
    """The text with everything masked that looks like a secret by itself.

    A word that must be there is looked for first: that is a hundred times faster, and a changelog
    of three megabytes has none.
    """
    if "://" in text and "@" in text:
        text = _PASSWORD.sub(rf"\g<before>{MASK}@", text)
        text = _TOKEN.sub(_if_token, text)
    if "=" in text:
        text = _PARAMETER.sub(_if_named, text)
    lower = text.lower()
    if any(word in lower for word in _IN_HEADERS):
        text = _HEADER.sub(_if_token, text)
    words = (*_IN_PREFIXES, *(_WITH_UNDERSCORES if "_" in text else ()))
    if any(word in text for word in words):
        text = _PREFIXED.sub(MASK, text)
    if any(word in text for word in _IN_WEBHOOKS):
        text = _WEBHOOK.sub(rf"\g<before>{MASK}", text)
    return _KEY.sub(rf"\g<before>{MASK}", text) if "PRIVATE KEY" in text else text


def _if_token(match: re.Match[str]) -> str:
    end = "@" if match[0].endswith("@") else ""
    return f"{match['before']}{MASK}{end}" if is_token(match["secret"]) else match[0]


def _if_named(match: re.Match[str]) -> str:
    named = is_secret_name(match["name"]) and len(match["secret"]) >= MIN_MASKED
    return f"{match['before']}{MASK}" if named else match[0]
