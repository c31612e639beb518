"""A certification authority for tests, and what can be wrong with what it issues."""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

_LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class Files:
    """A certificate with its chain, and its private key, as PEM files."""

    def __init__(self, folder: Path, name: str, issued: trustme.LeafCert) -> None:
        self.cert, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self.both = folder / f"{name}-both.pem"
        issued.private_key_pem.write_to_path(self.key)
        self.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_and_cert_chain_pem.write_to_path(self.both)
        certificate = x509.load_pem_x509_certificate(self.cert.read_bytes())
        self.der = certificate.public_bytes(serialization.Encoding.DER)
        self.serial_number = certificate.serial_number

    def encrypted_key(self, password: str) -> Path:
        """Return the file of the private key, encrypted."""
        key = serialization.load_pem_private_key(self.key.read_bytes(), None)
        path = self.key.with_suffix(".encrypted")
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(password.encode()),
            )
        )
        return path


class Authority:
    """A CA that both sides trust, certificates of it, and one of a stranger."""

    def __init__(self, folder: Path, key_type: trustme.KeyType = trustme.KeyType.ECDSA) -> None:
        self._folder, self._key_type = folder, key_type
        self._ca, stranger = trustme.CA(), trustme.CA()
        self.ca_file, self.strange_ca_file = folder / "ca.pem", folder / "strange-ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)
        stranger.cert_pem.write_to_path(self.strange_ca_file)
        self.server = self.issue("server", "localhost", "127.0.0.1", "::1", "archive")
        self.client = self.issue("client", "modality.example", common_name="MODALITY")
        names, kind = ("localhost", "127.0.0.1"), {"key_type": key_type}
        self.expired = Files(folder, "expired", self._ca.issue_cert(*names, not_after=_LONG_AGO, **kind))
        self.strange = Files(folder, "strange", stranger.issue_cert(*names, **kind))

    def issue(self, name: str, *identities: str, common_name: str | None = None) -> Files:
        """Issue a certificate for host names or addresses."""
        return Files(
            self._folder,
            name,
            self._ca.issue_cert(*identities, common_name=common_name, key_type=self._key_type),
        )

    def revoke(self, *revoked: Files) -> bytes:
        """Return the CA's list of revoked certificates, in PEM."""
        return _revocation_list(self._ca, *[files.serial_number for files in revoked])

    def subordinate(self) -> Subordinate:
        """Return a CA whose certificate this one issued."""
        return Subordinate(self._folder, self._ca)


class Subordinate:
    """A CA below another, and a certificate of it with its chain."""

    def __init__(self, folder: Path, root: trustme.CA) -> None:
        self._root, self._ca = root, root.create_child_ca()
        self.server = Files(folder, "below", self._ca.issue_cert("localhost", "127.0.0.1", "archive"))

    def lists(self, *, is_revoked: bool) -> tuple[bytes, bytes]:
        """Return the lists of the root, which may revoke the CA, and of the CA, which revokes nothing."""
        certificate = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        revoked = [certificate.serial_number] if is_revoked else []
        return _revocation_list(self._root, *revoked), _revocation_list(self._ca)


def _revocation_list(ca: trustme.CA, *serial_numbers: int) -> bytes:
    """Return the list of a CA, in PEM."""
    now = datetime.datetime.now(datetime.UTC)
    issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now - datetime.timedelta(days=1))
        .next_update(now + datetime.timedelta(days=1))
    )
    for serial_number in serial_numbers:
        entry = x509.RevokedCertificateBuilder().serial_number(serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
    key = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
