"""Write one file so that a reader finds its old or its new content, never a part."""

import os
import tempfile
from pathlib import Path

# What stands half written bears this; a later run of ours may remove it, Git and promotion skip it.
STAGING_PREFIX = ".promoting-"


def replace_file(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace a file's content; its mode stays. A new file gets 0644.

    Args:
        path: The file.
        data: Its new content.
        durable: Wait until the content is on disk, for a machine that loses its power.

    Raises:
        OSError: When it cannot be written.
    """
    try:
        _replace(path, data, durable=durable)
    except OSError as error:
        # Not the name of the temporary file: nobody knows that.
        raise type(error)(error.errno, error.strerror, str(path)) from None


def _replace(path: Path, data: bytes, *, durable: bool) -> None:
    mode = path.stat().st_mode & 0o7777 if path.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=STAGING_PREFIX)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if durable:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
