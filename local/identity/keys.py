"""RSA keys with their certificates, made at first use and kept in a directory."""

from __future__ import annotations

import datetime
import hashlib
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from local.identity.files import write_private

_NAME = re.compile(r"[a-z0-9][a-z0-9.@-]{0,199}")
_KEY_BITS = 2048
_CERTIFICATE_DAYS = 3650


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A private key and the certificate that publishes its public half."""

    #: 40 hex digits, from the public key.
    key_id: str
    private_key: rsa.RSAPrivateKey
    certificate_pem: str

    @property
    def private_pem(self) -> str:
        """PKCS #8, unencrypted, as in a service-account file."""
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def sign(self, message: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256, as Google's RS256 and signBlob."""
        return self.private_key.sign(message, padding.PKCS1v15(), hashes.SHA256())


class KeyRing:
    """Keys by name; the same name gives the same key after a restart.

    Args:
        root: directory of one file per key, readable by the owner only.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._keys: dict[str, SigningKey] = {}

    def make(self, name: str) -> SigningKey:
        """The key of `name`, made if there is none yet."""
        with self._lock:
            key = self._load(name)
            if key is None:
                key = self._keys[name] = self._create(name)
            return key

    def find(self, name: str) -> SigningKey | None:
        """The key of `name`, or None if none was ever made."""
        with self._lock:
            return self._load(name)

    def _load(self, name: str) -> SigningKey | None:
        if name not in self._keys:
            path = self._path(name)
            if path is None or not path.exists():
                return None
            self._keys[name] = _parse(path.read_bytes())
        return self._keys[name]

    def _create(self, name: str) -> SigningKey:
        path = self._path(name)
        if path is None:
            raise ValueError(f"not a key name: {name!r}")
        private_key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        key = SigningKey(
            key_id=_key_id(private_key.public_key()),
            private_key=private_key,
            certificate_pem=_certificate(private_key, name),
        )
        write_private(path, (key.private_pem + key.certificate_pem).encode())
        return key

    def _path(self, name: str) -> Path | None:
        return self._root / f"{name}.pem" if _NAME.fullmatch(name) else None


def _parse(pem: bytes) -> SigningKey:
    private_key = serialization.load_pem_private_key(pem, None)
    assert isinstance(private_key, rsa.RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate(pem)
    return SigningKey(
        key_id=_key_id(private_key.public_key()),
        private_key=private_key,
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
    )


def _key_id(public_key: rsa.RSAPublicKey) -> str:
    der = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()[:40]


def _certificate(private_key: rsa.RSAPrivateKey, name: str) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_CERTIFICATE_DAYS))
        .sign(private_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
