"""What travelled to a host, counted beside it: whoever sends something adds to it."""

from dataclasses import dataclass

from towline.config.units import format_size


@dataclass
class TransferStatistics:
    """Bytes that travelled to a host: from registries, as image layers over SSH, as files.

    Attributes:
        pulled: Bytes from registries.
        sent: Bytes of image layers over SSH.
        files: Bytes of files.
        commands: How many commands were run there over SSH.
    """

    pulled: int = 0
    sent: int = 0
    files: int = 0
    commands: int = 0

    def __str__(self) -> str:
        parts = [
            f"{format_size(self.pulled)} from registries" if self.pulled else "",
            f"{format_size(self.sent)} of layers over SSH" if self.sent else "",
            f"{format_size(self.files)} of files" if self.files else "",
        ]
        return ", ".join(filter(None, parts)) or "nothing"
