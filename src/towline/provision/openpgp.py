"""Fingerprints of OpenPGP keys, so that a host needs no GnuPG and nobody has to believe a download.

Source of the format: RFC 4880, sections 4.2 (packets), 6.2 (armour) and 12.2 (fingerprints).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator

_BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_END = "-----END PGP PUBLIC KEY BLOCK-----"
_PUBLIC_KEY = 6
_VERSION = 4


def fingerprints(armoured: str) -> list[str]:
    """The fingerprints of all primary keys in an armoured file, as 40 hexadecimal digits each.

    All of them: apt trusts every key in a file that it is given.

    Raises:
        ValueError: When the text is something else, or holds anything outside of its one block.
    """
    found = []
    for tag, body in _packets(_dearmoured(armoured)):
        if tag != _PUBLIC_KEY:
            continue
        if not body or body[0] != _VERSION:
            raise ValueError("it holds a key of another version than 4")
        start = b"\x99" + len(body).to_bytes(2, "big")
        digest = hashlib.sha1(start + body, usedforsecurity=False).hexdigest()
        found.append(digest.upper())
    return found


def _dearmoured(text: str) -> bytes:
    lines = [line.strip() for line in text.strip().splitlines()]
    if not lines or lines[0] != _BEGIN or lines[-1] != _END or lines.count(_BEGIN) != 1:
        raise ValueError("it is no armoured public key")
    body = lines[1:-1]
    if "" in body:
        # Headers such as `Version:` end at an empty line.
        body = body[body.index("") + 1 :]
    # A line that begins with `=` is a checksum.
    data = "".join(line for line in body if not line.startswith("="))
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(f"it is no armoured public key: {error}") from None


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Packets: tag and body."""
    place = 0
    while place < len(data):
        header = data[place]
        if not header & 0x80:
            raise ValueError("it holds something that is no OpenPGP packet")
        if header & 0x40:
            tag, (length, size) = header & 0x3F, _new_length(data, place + 1)
        else:
            tag, size = (header >> 2) & 0x0F, 1 << (header & 3)
            if size == 8:
                raise ValueError("it holds a packet without a length")
            length = int.from_bytes(data[place + 1 : place + 1 + size], "big")
        start = place + 1 + size
        place = start + length
        if place > len(data):
            raise ValueError("it is cut off")
        yield tag, data[start:place]


def _new_length(data: bytes, place: int) -> tuple[int, int]:
    """Length of a packet in the new format, and how many bytes say so."""
    first = data[place] if place < len(data) else 0
    if first < 192:
        return first, 1
    if first < 224:
        second = data[place + 1] if place + 1 < len(data) else 0
        return ((first - 192) << 8) + second + 192, 2
    if first == 255:
        return int.from_bytes(data[place + 1 : place + 5], "big"), 5
    raise ValueError("it holds a packet in parts")
