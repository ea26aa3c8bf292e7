import os
import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from towline.config import certificate
from towline.config.certificate import findings, self_signed
from towline.errors import UsageError
from towline.findings import Severity

NAMES = ["localhost", "*.shop.example", "127.0.0.1", "::1"]


def make(folder, *, starts=timedelta(days=-1), ends=timedelta(days=90)):
    """A certificate that is valid at other times, written as an authority would hand it out."""
    self_signed(folder, ["localhost"])
    key = serialization.load_pem_private_key((folder / "privkey.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))


def judged(folder, warn_days=14):
    return list(findings(folder / "fullchain.pem", folder / "privkey.pem", warn_days))


def only(found):
    assert len(found) == 1, found
    return found[0]


def test_a_new_certificate_is_complete(tmp_path):
    path = self_signed(tmp_path / "ssl", NAMES, days=30)
    assert path == tmp_path / "ssl" / "fullchain.pem"
    made = x509.load_pem_x509_certificate(path.read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "*.shop.example"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert isinstance(made.public_key(), ec.EllipticCurvePublicKey)
    assert made.not_valid_after_utc - datetime.now(UTC) < timedelta(days=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, tmp_path / "ssl" / "privkey.pem")
    assert only(judged(tmp_path / "ssl")).severity is Severity.OK


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_the_owner_reads_the_key(tmp_path, umask):
    before = os.umask(umask)
    try:
        self_signed(tmp_path, ["localhost"])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "privkey.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "fullchain.pem").stat().st_mode) == 0o644


def test_an_existing_pair_is_kept_unless_forced(tmp_path):
    self_signed(tmp_path, ["localhost"])
    before = (tmp_path / "privkey.pem").read_bytes(), (tmp_path / "fullchain.pem").read_bytes()
    self_signed(tmp_path, ["other"])
    assert before[0] == (tmp_path / "privkey.pem").read_bytes()
    self_signed(tmp_path, ["other"], force=True)
    assert before[0] != (tmp_path / "privkey.pem").read_bytes()
    assert only(judged(tmp_path)).severity is Severity.OK


@pytest.mark.parametrize("lost", ["privkey.pem", "fullchain.pem"])
def test_half_a_pair_is_never_thrown_away(tmp_path, lost):
    self_signed(tmp_path, ["localhost"])
    (tmp_path / lost).unlink()
    kept = next(tmp_path.iterdir())
    before = kept.read_bytes()
    with pytest.raises(UsageError, match=f"{kept.name} exists without its"):
        self_signed(tmp_path, ["localhost"])
    assert kept.read_bytes() == before
    self_signed(tmp_path, ["localhost"], force=True)
    assert only(judged(tmp_path)).severity is Severity.OK


@pytest.mark.parametrize("names", [[], [" "], ["a b"], ["shöp.example"], ["https://x"], ["x/24"]])
def test_names_that_cannot_be_certified(tmp_path, names):
    with pytest.raises(UsageError):
        self_signed(tmp_path, names)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("days", [0, -1, 10**9])
def test_days_that_cannot_be(tmp_path, days):
    with pytest.raises(UsageError, match="--days"):
        self_signed(tmp_path, ["localhost"], days=days)


@pytest.mark.parametrize(
    ("starts", "ends", "severity", "said"),
    [
        (-90, -1, Severity.ERROR, "expired on"),
        (2, 90, Severity.ERROR, "not valid before"),
        (-90, 10, Severity.WARNING, "expires in 9 days"),
        (-90, 15, Severity.OK, "valid for 14 days"),
    ],
)
def test_validity(tmp_path, starts, ends, severity, said):
    make(tmp_path, starts=timedelta(days=starts), ends=timedelta(days=ends))
    found = only(judged(tmp_path))
    assert found.severity is severity
    assert said in found.message
    assert bool(found.remedy) == (severity is not Severity.OK)


@pytest.mark.parametrize("lost", ["fullchain.pem", "privkey.pem"])
def test_a_missing_file_is_named(tmp_path, lost):
    self_signed(tmp_path, ["localhost"])
    (tmp_path / lost).unlink()
    found = only(judged(tmp_path))
    assert found.severity is Severity.ERROR
    assert str(tmp_path / lost) in found.message
    assert "inv init.certificate" in found.remedy


@pytest.mark.parametrize("broken", ["fullchain.pem", "privkey.pem"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"-----BEGIN CERTIFICATE-----\nno\n"])
def test_a_file_that_is_something_else(tmp_path, broken, content):
    self_signed(tmp_path, ["localhost"])
    (tmp_path / broken).write_bytes(content)
    assert only(judged(tmp_path)).severity is Severity.ERROR


def test_an_encrypted_key_is_an_error_not_a_traceback(tmp_path):
    self_signed(tmp_path, ["localhost"])
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"pw"),
        )
    )
    assert only(judged(tmp_path)).severity is Severity.ERROR


def test_the_key_of_another_certificate(tmp_path):
    self_signed(tmp_path / "one", ["localhost"])
    self_signed(tmp_path / "two", ["localhost"])
    found = list(
        certificate.findings(tmp_path / "one/fullchain.pem", tmp_path / "two/privkey.pem", 14)
    )
    assert found[0].severity is Severity.ERROR
    assert "is not the key of" in found[0].message


def test_a_key_that_others_can_read(tmp_path):
    self_signed(tmp_path, ["localhost"])
    (tmp_path / "privkey.pem").chmod(0o640)
    found = [item for item in judged(tmp_path) if item.severity is Severity.WARNING]
    assert "can be read by others" in only(found).message
