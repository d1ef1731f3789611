"""The local certificate authority behind the proxy's TLS.

Its root is name-constrained to googleapis.com: trusting it in a process lets it stand in for
Google's APIs there, and for nothing else.
"""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.identity.files import write_private

_ROOT_DAYS = 3650
#: Apple's and the CA/Browser Forum's limit for server certificates at the time of writing.
_LEAF_DAYS = 397
_DOMAIN = "googleapis.com"


class LocalAuthority:
    """A root certificate, made once, and server certificates signed by it.

    Args:
        root: directory that keeps `ca.pem` and the private keys.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        #: The root certificate in PEM, for REQUESTS_CA_BUNDLE and SSL_CERT_FILE.
        self.ca_file = root / "ca.pem"
        self._key_file = root / "ca-key.pem"
        if not (self.ca_file.exists() and self._key_file.exists()):
            self._create()

    def server_context(self, hosts: Iterable[str]) -> ssl.SSLContext:
        """A server's TLS context with a fresh certificate for all `hosts`."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._issue(key, sorted(hosts))
        chain = self._root / "server.pem"
        write_private(chain, _private_pem(key) + leaf.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(chain)
        return context

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Heimdex local authority")])
        domain = x509.NameConstraints([x509.DNSName(_DOMAIN)], None)
        certificate = (
            _builder(name, name, key.public_key(), _ROOT_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(domain, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .sign(key, hashes.SHA256())
        )
        write_private(self._key_file, _private_pem(key))
        write_private(self.ca_file, certificate.public_bytes(serialization.Encoding.PEM))

    def _issue(self, key: ec.EllipticCurvePrivateKey, hosts: list[str]) -> x509.Certificate:
        authority_key = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
        authority = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        return (
            _builder(subject, authority.subject, key.public_key(), _LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(server, critical=False)
            .add_extension(names, critical=False)
            .add_extension(identifier, critical=False)
            .sign(authority_key, hashes.SHA256())
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    # TLS is checked by the libraries' real clock, whatever clock the stand-in is given.
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
