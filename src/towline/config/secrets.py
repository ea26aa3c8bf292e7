"""Which variables are secrets, which values are only placeholders, and what is missing."""

import re
from collections.abc import Collection, Iterator, Mapping
from urllib.parse import unquote, urlsplit

from towline.findings import Finding, Severity

CHECK = "secrets"
MIN_MASKED = 6
"""Shorter values are not masked in output: masking `dev` or `1234` would mangle ordinary words."""

_WORDS = frozenset(
    {
        *("password", "passwd", "passphrase", "pass", "pwd", "secret", "secrets", "token", "key"),
        *("apikey", "credential", "credentials", "private", "auth", "dsn", "salt", "pat"),
        *("passwords", "tokens", "keys", "passcode"),
    }
)
# Secret where a name ends so: SESSION_COOKIE, but neither COOKIE_SECURE nor JWT_ISSUER.
_LAST = frozenset(
    {"jwt", "cookie", "cookies", "bearer", "sk", "sig", "sas", "signature", "webhook", "webhooks"}
)
# Words written as one: PGPASSWORD, APITOKEN, JWT_SIGNINGKEY.
_ENDS = re.compile(
    r"(password|passphrase|token|secret|(api|access|secret|private|signing|encryption)keys?)$"
)
# A name that ends so tells something about a secret, and is none: TOKEN_EXPIRE_MINUTES.
_ABOUT = frozenset(
    {
        *("id", "name", "file", "path", "url", "uri", "host", "port", "user", "type", "algorithm"),
        *("enabled", "disabled", "required", "ttl", "expire", "expires", "expiry", "timeout"),
        *("seconds", "minutes", "hours", "days", "length", "size", "count", "limit", "policy"),
        *("prefix", "suffix", "format", "header", "mode"),
    }
)
# So do these, wherever they stand: PUBLIC_KEY, MAX_TOKENS.
_NOT_SECRET = frozenset({"max", "min"})
_PUBLIC = frozenset({"public", "publishable"})
# Nobody means to publish these, whatever stands before: PUBLIC_API_SECRET.
_NEVER_PUBLIC = frozenset(
    {"password", "passwd", "passphrase", "pwd", "secret", "secrets", "private"}
)
_PLACEHOLDER = re.compile(
    r"(please[-_ ])?(change|replace|set|fill)[-_ ]?(me|this|it)([-_ !.].*|\d*)|replace[-_ ].*"
    r"|placeholder|to-?do|tbd|fixme|x{3,}|\*{3,}|\.\.\.|your[-_ ].*|<.*>|\[.*\]|\{\{.*\}\}"
    r"|your(password|secret|token|key)|example|secret|password|dummy|(insert|put)[-_ ].*",
    re.I,
)
# A greedy password: drivers take `/`, `?`, `#` and `@` in it, which end a URL's authority.
_URL_PASSWORD = re.compile(r"://[^:/@\s]*:(?P<password>\S+)@")
_PORT = re.compile(r"\d+([/?#].*)?")
# A token in the place of a user, where web addresses have it: `https://TOKEN@host`.
_URL_TOKEN = re.compile(r"(?:https?|git|wss?)://(?P<token>[^:/@\s]+)@")
_NEXT_URL = re.compile(r"[,;\s]+(?=[a-z][a-z0-9+.-]*://)", re.I)
_SETTING = re.compile(r"(?P<name>[A-Za-z][\w-]*)\s*=\s*(?P<value>'[^']*'|\"[^\"]*\"|[^&;\s]+)")


def is_secret_name(name: str, *, at_end: bool = False) -> bool:
    """Whether a variable's name says that its value is secret: `API_TOKEN`, `dbPassword2`.

    Args:
        name: The name.
        at_end: Whether its last word must say so: `AUTH_PROVIDER` is none then.
    """
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    parts = (part.rstrip("0123456789") for part in re.split(r"[_\W]+", spaced.lower()))
    words = [word for word in parts if word]
    # Whoever knows the address of a webhook may post to it.
    if {"webhook", "webhooks"} & set(words) and words[-1] in ("url", "uri"):
        return True
    if not words or words[-1] in _ABOUT or _NOT_SECRET & set(words):
        return False
    if _PUBLIC & set(words) and not _NEVER_PUBLIC & set(words):
        return False
    saying = words[-1:] if at_end else words
    found = _WORDS & set(saying) or words[-1] in _LAST
    return bool(found) or any(_ENDS.search(word) for word in saying)


def is_token(text: str) -> bool:
    """Whether a text looks like a token rather than like the name of a user."""
    return len(text) >= 12 and any(map(str.isdigit, text)) and any(map(str.isalpha, text))


def url_password(value: str) -> str:
    """The password inside a URL such as `postgresql://user:pw@host/db`; empty without one."""
    if "://" not in value or "@" not in value:
        return ""
    try:
        password = urlsplit(value).password or ""
    except ValueError:
        password = ""
    greedy = _URL_PASSWORD.search(value)
    if password or not greedy or _PORT.fullmatch(greedy["password"]):
        return password
    return greedy["password"]


def _inside(value: str) -> Iterator[str]:
    """Passwords inside a value: of each of its URLs, and of settings such as `password=pw`."""
    for url in _NEXT_URL.split(value):
        password = url_password(url)
        if password:
            yield password
        for found in _URL_TOKEN.finditer(url):
            if is_token(found["token"]):
                yield found["token"]
    for setting in _SETTING.finditer(value):
        if is_secret_name(setting["name"]):
            yield setting["value"].strip("'\"")


def placeholder(value: str) -> bool:
    """Whether a value only stands for one that somebody has to put in."""
    text = value.strip().strip("'\"")
    return not text or bool(_PLACEHOLDER.fullmatch(text))


def secret_values(
    values: Mapping[str, str], names: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """Name and secret text of every secret, passwords inside URLs and settings included.

    Args:
        values: The variables.
        names: Variables that are secrets too, whatever they are called.
    """
    for name, value in values.items():
        for password in _inside(value):
            yield name, password
            if unquote(password) != password:
                yield name, unquote(password)
        if value and (name in names or is_secret_name(name)):
            yield name, value
            if "://" in value:
                # A log shows what follows the host.
                path = value.partition("://")[2].partition("/")[2]
                if is_token(path):
                    yield name, path


def missing_or_placeholder(
    values: Mapping[str, str],
    example: Mapping[str, str],
    file: str,
    names: Collection[str] = (),
) -> list[Finding]:
    """What the committed example names and the environment does not have.

    A variable whose example value is a secret or a placeholder must be set: an error. Any other
    example value is a default that is worth stating: a warning when it is missing, as is a variable
    whose example is empty, and an empty secret.

    Args:
        values: The environment's variables.
        example: The variables of the committed example.
        file: Where people put them, for the remedy.
        names: Variables that are secrets too, whatever they are called.
    """
    found = []
    for name, shown in example.items():
        value = values.get(name, "")
        named = name in names or is_secret_name(name)
        required = bool(shown) and (named or placeholder(shown))
        secret = named or bool(url_password(value))
        if required and not value:
            found.append(_error(f"{name} is not set", f"set {name} in {file}"))
        elif value and placeholder(url_password(value) or value) and (required or secret):
            found.append(
                _error(
                    f"{name} still holds a placeholder",
                    f"put the real value into {file}; `inv init.secrets` makes random ones",
                )
            )
        elif name not in values or (named and not value):
            found.append(
                Finding(CHECK, Severity.WARNING, f"{name} is not set", f"set {name} in {file}")
            )
    for name, secret_text in secret_values(values, names):
        if len(secret_text) < MIN_MASKED and not placeholder(secret_text):
            found.append(
                Finding(
                    CHECK,
                    Severity.WARNING,
                    f"{name} has fewer than {MIN_MASKED} characters: it cannot be masked in output",
                    f"choose a longer value for {name} in {file}",
                )
            )
    return found


def _error(message: str, remedy: str) -> Finding:
    return Finding(CHECK, Severity.ERROR, message, remedy)
