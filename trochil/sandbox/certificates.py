"""A certificate authority for tests, kept in one folder, and server certificates signed by it."""

import contextlib
import fcntl
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trochil.sandbox.private_files import make_private_folder, read_private, write_private

AUTHORITY = "Trochil sandbox test CA"
AUTHORITY_LASTS = timedelta(days=1825)
SERVER_LASTS = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=30)
"""An authority with less time left is made anew at the next start."""
CLOCKS_DIFFER = timedelta(hours=1)
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Authority:
    """The test CA. ``file`` holds its certificate, for clients; ``key`` is kept beside it."""

    file: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    is_new: bool
    """Made just now: no client trusts it yet."""


def load_authority(folder: Path) -> Authority:
    """The CA of a folder, made at first use, and anew once it has expired.

    Certificate and key are one file, so that they are never of two different CAs; the file for
    clients is a copy of the certificate. Raises ValueError for a key that others can read and for
    files that can't be read or written."""
    make_private_folder(folder)
    with _only_one(folder):
        kept = folder / "ca-key.pem"
        text = read_private(kept)
        is_new = text is None or _has_expired(kept, text)
        if is_new:
            write_private(kept, _new_authority())
            text = read_private(kept)
        assert text is not None
        certificate, key = _parse(kept, text)
        file = folder / "ca.pem"
        public = certificate.public_bytes(serialization.Encoding.PEM).decode()
        if read_private(file) != public:
            write_private(file, public)
    return Authority(file, certificate, key, is_new)


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Of the sandboxes that start at once."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _parse(path: Path, text: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(text.encode())
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except ValueError:
        raise ValueError(
            f"{path} is not a certificate and its key: delete it, a new one is made"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} was not made by the sandbox: delete it, a new one is made")
    return certificate, key


def _has_expired(path: Path, text: str) -> bool:
    certificate, _ = _parse(path, text)
    return certificate.not_valid_after_utc - RENEWED_BEFORE < datetime.now(UTC)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - CLOCKS_DIFFER)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _new_authority() -> str:
    """Certificate and key of a new CA, as PEM. It signs servers, no further CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named(AUTHORITY)
    until = datetime.now(UTC) + AUTHORITY_LASTS
    certificate = (
        _begun(name, name, key.public_key(), until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode() + _pem_of_key(key)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise ValueError(f"{name!r} is no name for a certificate; write it in ASCII") from None


def server_context(authority: Authority, names: Iterable[str]) -> ssl.SSLContext:
    """What a server needs to be trusted under ``names`` (host names and addresses).

    The certificate is made at each start, so that a name that is added later is in it; its key
    stays on disk only until it has been read."""
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = [_general_name(name) for name in dict.fromkeys((*LOCAL_NAMES, *names))]
    until = min(datetime.now(UTC) + SERVER_LASTS, authority.certificate.not_valid_after_utc)
    signer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    certificate = (
        _begun(_named("Trochil sandbox"), authority.certificate.subject, key.public_key(), until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer.value),
            critical=False,
        )
        .sign(authority.key, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM).decode() + _pem_of_key(key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    descriptor, path = tempfile.mkstemp(prefix="trochil-sandbox-")  # mode 0600
    try:
        with open(descriptor, "w") as file:
            file.write(chain)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
    return context
