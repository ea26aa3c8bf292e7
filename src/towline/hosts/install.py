"""A folder of files to a host in one command: an archive through standard input.

Files that the host has already are hard links in the archive (`LNKTYPE` of POSIX's ustar), so that
they do not travel; their SHA-256 is checked there before the folder gets its name.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

from towline.errors import TowlineError
from towline.hosts import full_disk
from towline.hosts.connection import SshConnection

_SUMS = ".sums"
_OTHER_CONTENT = 65
# Kept free of what only GNU's tools know: BusyBox has no --status, and reads no long options.
_SCRIPT = f"""
set -e
export LC_ALL=C
parent=$1 staged=$2 folder=$3 owner=$4
umask 077
[ -d "$parent" ] || {{ mkdir -p "$parent" && if [ "$owner" ]; then chown "$owner" "$parent"; fi; }}
cd "$parent"
rm -rf "./$staged"
tar -xpof -
cd "./$staged"
if [ -s {_SUMS} ] && ! sha256sum -c {_SUMS} >/dev/null 2>&1; then
  cd .. && rm -rf "./$staged"
  exit {_OTHER_CONTENT}
fi
rm {_SUMS}
find . -type f -exec sync -d {{}} +
cd ..
[ -z "$owner" ] || chown -R "$owner" "./$staged"
mv -T "./$staged" "./$folder"
sync .
"""


def install(
    connection: SshConnection,
    folder: Path,
    files: Mapping[str, tuple[bytes, int]],
    known: Mapping[str, Path],
    owner: int | None = None,
) -> int:
    """See `Files.install`; what root writes is given to `owner`.

    Raises:
        DiskFull: When the host has no room for it.
        TowlineError: When it cannot be written there.
    """
    staged = f".{folder.name}"
    given = "" if owner is None else str(owner)
    words = ["sh", "-c", _SCRIPT, "towline", str(folder.parent), staged, folder.name, given]
    sent = 0
    for links in (known, {}):
        data = archive(folder.parent, staged, files, links)
        sent += len(data)
        done = connection.run(words, stdin=data, plain=True)
        # A file there is not what the record says: somebody changed it. Then all are sent.
        if done.code != _OTHER_CONTENT and not (links and "hard link" in done.err):
            break
    if not done.ok:
        # tar's last words only say that there were others.
        said = next((line for line in done.err.splitlines() if line.strip()), f"code {done.code}")
        full = full_disk.line(done.err)
        if full or "Wrote only" in said:
            raise full_disk.full(connection.address.short, full or f"cannot write {folder}")
        raise TowlineError(
            f"{connection.address.short} cannot write {folder}: {said}",
            remedy=f"see `{connection.login('df', '-h', str(folder.parent))}`",
        )
    return sent


def archive(
    parent: Path, name: str, files: Mapping[str, tuple[bytes, int]], known: Mapping[str, Path]
) -> bytes:
    """An archive of a folder `name`; what is known is a link to its place below `parent`."""
    buffer = io.BytesIO()
    links = {path: at for path, at in known.items() if at.is_relative_to(parent) and path in files}
    # One name a line; other names are rare, and simply travel.
    links = {path: at for path, at in links.items() if path.isprintable() and "\\" not in path}
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(_folder(name))
        for folder in sorted({p for path in files for p in Path(path).parents} - {Path()}):
            # The outermost folder is closed; containers mount folders in it and read them.
            tar.addfile(_folder(f"{name}/{folder}", 0o755))
        sums = "".join(
            f"{hashlib.sha256(files[path][0]).hexdigest()}  {path}\n" for path in sorted(links)
        )
        _add(tar, f"{name}/{_SUMS}", sums.encode(), 0o600)
        for path, (data, mode) in sorted(files.items()):
            if path in links:
                member = tarfile.TarInfo(f"{name}/{path}")
                member.type, member.linkname = tarfile.LNKTYPE, os.path.relpath(links[path], parent)
                tar.addfile(member)
            else:
                _add(tar, f"{name}/{path}", data, mode)
    return buffer.getvalue()


def _folder(name: str, mode: int = 0o700) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = tarfile.DIRTYPE, mode, int(time.time())
    return member


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(data), mode, int(time.time())
    tar.addfile(member, io.BytesIO(data))
