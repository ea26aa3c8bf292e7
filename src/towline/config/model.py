"""The base of every section of `towline.yaml`, and values that several of them have."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _words(value: object) -> object:
    """Let a command be written as one line; it is split, never handed to a shell."""
    if isinstance(value, str):
        import shlex

        return shlex.split(value)
    return value


Command = Annotated[list[str], BeforeValidator(_words, json_schema_input_type=list[str] | str)]


class Model(BaseModel):
    """Base of all sections: unknown keys are errors, values do not change once read.

    A model is compiled when something is validated with it: most commands read a part of them. So a
    default that is a section is made by `model_construct`, which compiles nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
