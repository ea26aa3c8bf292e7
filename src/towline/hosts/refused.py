"""What to say of a path that a container may have turned into something else."""

from pathlib import Path

from towline.errors import TowlineError


def not_followed(path: Path) -> TowlineError:
    """A symbolic link where Towline expects a file or folder of its own."""
    return TowlineError(
        f"{path} is a symbolic link, which Towline did not make and does not follow",
        remedy=f"see where it leads (`ls -l {path}`) and which service mounts that folder "
        f"writable, then remove it: rm {path}",
    )


def not_a_file(path: Path) -> TowlineError:
    """A folder, socket, device or named pipe where Towline expects a file."""
    return TowlineError(
        f"{path} is not a regular file, and Towline did not make it",
        remedy=f"see what it is (`ls -ld {path}`), and move it away",
    )
