"""A request over HTTP and what its answer must be, for probes and smoke tests alike."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from towline.config.json_limits import JsonLimits
from towline.config.model import Model

_CODE = Annotated[int, Field(ge=100, le=599)]


def _codes(value: object) -> object:
    return value if isinstance(value, list) else [value]


Codes = Annotated[
    list[_CODE],
    Field(min_length=1),
    BeforeValidator(_codes, json_schema_input_type=list[_CODE] | _CODE),
]


class HttpRequest(Model):
    """What is sent, and what a good answer is."""

    path: str = "/"
    method: str = Field("GET", pattern=r"^[A-Z]+$", description="Such as `POST` or `HEAD`.")
    host: str = Field(
        "", description="Host header, where the service checks it or has virtual hosts."
    )
    headers: dict[str, str] = Field({}, description="Headers of the request.")
    body: str | dict[str, Any] | list[Any] = Field(
        "", description="What is sent: text, or data, which is sent as JSON."
    )
    status: Codes = Field([200], description="The status of a good answer, or several.")
    limits: JsonLimits = Field(
        {},
        alias="json",
        description='Path in a JSON answer -> limit, such as `pool.available: ">= 1"`.',
    )
    contains: str = Field("", description="Text that the body must contain.")

    @property
    def sent_headers(self) -> dict[str, str]:
        """All headers that are sent besides the usual ones."""
        named = {name.lower() for name in self.headers}
        found = dict(self.headers)
        if self.host and "host" not in named:
            found["Host"] = self.host
        if not isinstance(self.body, str) and "content-type" not in named:
            found["Content-Type"] = "application/json"
        return found

    @property
    def sent_body(self) -> bytes:
        """The bytes of the body."""
        import json

        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode()

    @field_validator("path")
    @classmethod
    def _is_path(cls, given: str) -> str:
        if not given.startswith("/"):
            raise ValueError(f"{given!r} is no path: write it with a / at its beginning")
        return given

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # `json` is a method of every model, so the field has another name in Python.
        data: dict[str, Any] = handler(self)
        return {("json" if name == "limits" else name): value for name, value in data.items()}
