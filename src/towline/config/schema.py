"""JSON Schemas of `towline.yaml` and of `x-towline`, made from the models, for editors.

python -m towline.config.schema     writes both into the package
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from towline.config.loading import FILE
from towline.config.models import TowlineFile
from towline.config.overrides import SECTIONS
from towline.config.services import Service

FOLDER = Path(__file__).resolve().parent.parent / "schema"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
SETTINGS_FILE = "towline.schema.json"
SERVICE_FILE = "x-towline.schema.json"


def json_schema() -> dict[str, Any]:
    """The schema of `towline.yaml`."""
    schema = _schema(TowlineFile, FILE)
    parts = schema["$defs"]
    schema["properties"]["environments"]["default"] = {"local": {}}
    for name in SECTIONS:
        # What is not written there is what the top says.
        del parts["Environment"]["properties"][name]["default"]
    # Half of one may be at the top, the other half in an environment.
    del parts["Registry"]["required"]
    return schema


def service_schema() -> dict[str, Any]:
    """The schema of the `x-towline` section of a service in a Compose file."""
    return _schema(Service, "x-towline")


def schemas() -> Mapping[str, dict[str, Any]]:
    """File name -> schema of everything that is published."""
    return {SETTINGS_FILE: json_schema(), SERVICE_FILE: service_schema()}


def write_schemas(folder: Path = FOLDER) -> list[Path]:
    """Write all schemas into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, schema in schemas().items():
        path = folder / name
        path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    for part in (schema, *schema.get("$defs", {}).values()):
        _describe(part)
    return {"$schema": _DIALECT, **schema, "title": title}


def _describe(part: dict[str, Any]) -> None:
    """Give a docstring's `Attributes` to the properties they describe, and keep its first line."""
    text = part.get("description", "")
    if not text:
        return
    part["description"] = text.partition("\n")[0]
    for match in re.finditer(r"^    (\w+): (.+(?:\n {5,}.+)*)", text, re.MULTILINE):
        known = part.get("properties", {}).get(match[1])
        if known is not None:
            known.setdefault("description", " ".join(match[2].split()))


if __name__ == "__main__":
    write_schemas()
