"""The `towline` binary: the same tasks without a tasks.py."""

import invoke

import towline
from towline.collector import rarely

from . import command, ns


class Program(invoke.Program):
    """Invoke's program, which answers a word that it does not know with the nearest one."""

    def parse_tasks(self) -> None:
        """See `invoke.Program.parse_tasks`."""
        with command.parsing(self):
            super().parse_tasks()


program = Program(name="towline", namespace=ns, version=towline.__version__)


def main() -> None:
    """Run the binary."""
    rarely()
    program.run()


if __name__ == "__main__":
    main()
