"""The templates that `inv init` writes a new project from."""

import json
import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def render(template: str, **values: object) -> str:
    """The text of one template; a name that the template needs and nobody gave is an error.

    Args:
        template: Path below this package, without the ending `.j2`.
        values: What the template may use.

    Raises:
        jinja2.UndefinedError: When the template uses a value that is not given.
    """
    return _environment().get_template(f"{template}.j2").render(**values)


@cache
def _environment() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("towline", "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 -- configuration files are written here, never HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = yaml_scalar
    environment.filters["json"] = json.dumps
    return environment


def yaml_scalar(text: str) -> str:
    """A text as YAML writes it: plain where that is safe, else in double quotes."""
    plain = re.fullmatch(r"[A-Za-z_/][\w./-]*|\.[\w./-]*", text, re.ASCII)
    import yaml

    # Compose reads YAML 1.2 and Python 1.1: what either takes for something else is quoted.
    reserved = text.lower() in {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
    if plain and not reserved and yaml.safe_load(text) == text:
        return text
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**6).rstrip("\n")
