"""The `towline` binary: the same tasks without a tasks.py."""

from invoke import Program

import towline

from . import ns

program = Program(name="towline", namespace=ns, version=towline.__version__)


def main() -> None:
    """Run the binary."""
    program.run()
