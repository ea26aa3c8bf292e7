"""TLS certificates: make a self-signed one, and say what is wrong with one."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from towline.errors import UsageError
from towline.findings import Finding, Severity

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, GeneralName

CERTIFICATE, KEY = "fullchain.pem", "privkey.pem"
CHECK = "certificates"
_MOST_DAYS = 3650
_DNS_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)
_MAKE = "`inv init.certificate` makes a self-signed one; a certificate authority gives a real one"


def self_signed(
    folder: Path, names: Iterable[str], *, days: int = 365, force: bool = False
) -> Path:
    """Write a self-signed certificate (EC P-256) and its key (0600); an existing one is kept.

    Args:
        folder: Where `fullchain.pem` and `privkey.pem` go.
        names: DNS names and IP addresses it is for.
        days: How long it is valid.
        force: Replace an existing one.

    Returns:
        The path of the certificate.

    Raises:
        UsageError: When no name is given, a name or the days are not usable, or only one of
            the two files exists: it may be the only copy of somebody's key.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    certificate_file, key_file = folder / CERTIFICATE, folder / KEY
    there = [file for file in (certificate_file, key_file) if file.exists()]
    if len(there) == 2 and not force:
        return certificate_file
    if there and not force:
        half = "key" if there[0] == certificate_file else "certificate"
        raise UsageError(
            f"{there[0]} exists without its {half}",
            remedy="put the other half beside it, or move it away, or add --force to replace it",
        )
    if not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"--days {days}: a certificate is valid for 1 to {_MOST_DAYS} days")
    wanted = [_name(name.strip()) for name in names if name.strip()]
    if not wanted:
        raise UsageError("a certificate needs a name", remedy="for example --names localhost")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(wanted[0].value)[:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(wanted), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    key_file.unlink(missing_ok=True)
    handle = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(encoded)
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    certificate_file.chmod(0o644)
    return certificate_file


def is_issued_later(one: bytes, than: bytes) -> bool:
    """Whether both are certificates, and the first was issued after the second."""
    from cryptography import x509

    try:
        first, second = (x509.load_pem_x509_certificate(data) for data in (one, than))
    except ValueError:
        return False
    return first.not_valid_before_utc > second.not_valid_before_utc


def findings(certificate_file: Path, key_file: Path, warn_days: int) -> Iterator[Finding]:
    """What is wrong with a certificate of this machine and its key; an OK one when nothing is."""
    try:
        certificate, key = certificate_file.read_bytes(), key_file.read_bytes()
    except OSError as error:
        text = f"{error.filename} cannot be read: {error.strerror}"
        if isinstance(error, FileNotFoundError):
            text = f"{error.filename} does not exist"
        yield Finding(CHECK, Severity.ERROR, text, _MAKE)
        return
    yield from pair_findings(certificate, key, certificate_file, key_file, warn_days)
    if key_file.stat().st_mode & 0o077:
        yield Finding(
            CHECK,
            Severity.WARNING,
            f"{key_file} can be read by others",
            f"chmod 600 {key_file}",
        )


def pair_findings(
    data: bytes, key: bytes, certificate_file: Path, key_file: Path, warn_days: int
) -> Iterator[Finding]:
    """What is wrong with the content of a certificate and its key, wherever they are."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        certificate = _parse(data)
        key_matches = _public_bytes_of_key(key) == _public_bytes(certificate)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        text = f"{certificate_file.parent}: a certificate or key cannot be read: {error}"
        yield Finding(CHECK, Severity.ERROR, text, _MAKE)
        return
    if not key_matches:
        yield Finding(
            CHECK,
            Severity.ERROR,
            f"{key_file} is not the key of {certificate_file}",
            "put the pair there that belongs together",
        )
    yield _validity(certificate, certificate_file, warn_days)


def _validity(certificate: Certificate, path: Path, warn_days: int) -> Finding:
    now = datetime.now(UTC)
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = (ends - now).days
    if now < starts:
        return Finding(
            CHECK, Severity.ERROR, f"{path} is not valid before {starts:%Y-%m-%d}", _MAKE
        )
    if now > ends:
        return Finding(CHECK, Severity.ERROR, f"{path} expired on {ends:%Y-%m-%d}", _MAKE)
    if left < warn_days:
        return Finding(
            CHECK,
            Severity.WARNING,
            f"{path} expires in {left} days, on {ends:%Y-%m-%d}",
            "renew it",
        )
    return Finding(CHECK, Severity.OK, f"{path} is valid for {left} days")


def _parse(data: bytes) -> Certificate:
    from cryptography import x509

    return x509.load_pem_x509_certificate(data)


def _public_bytes(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = certificate.public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _public_bytes_of_key(data: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(data, password=None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _name(text: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    if not _DNS_NAME.fullmatch(text):
        raise UsageError(
            f"{text!r} is neither a DNS name nor an IP address",
            remedy="write names such as shop.example,127.0.0.1; others in their xn-- form",
        )
    return x509.DNSName(text)
