"""Keys and other secrets on disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.identity.keys import KeyRing
from local.identity.passwords import hash_password, matches

EMAIL = "signer@project.iam.gserviceaccount.com"


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """The same name gives the same key, also to threads at once and after a restart."""
    ring = KeyRing(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        keys = list(pool.map(lambda _: ring.make(EMAIL), range(4)))
    again = KeyRing(tmp_path).find(EMAIL)
    assert again is not None
    assert {key.key_id for key in keys} == {again.key_id}
    assert again.private_pem == keys[0].private_pem
    assert again.certificate_pem == keys[0].certificate_pem


def test_finding_makes_nothing(tmp_path: Path) -> None:
    """A name that was never used has no key and leaves no file."""
    assert KeyRing(tmp_path).find(EMAIL) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A@b", ".hidden", "a" * 201, "a\n"])
def test_a_name_never_leaves_the_directory(tmp_path: Path, name: str) -> None:
    """Names come from requests: what is no account's name reaches no file."""
    ring = KeyRing(tmp_path / "keys")
    assert ring.find(name) is None
    with pytest.raises(ValueError, match="not a key name"):
        ring.make(name)
    assert list(tmp_path.iterdir()) == []


def test_the_certificate_publishes_the_key(tmp_path: Path) -> None:
    """What the key signs verifies with the certificate alone."""
    key = KeyRing(tmp_path).make(EMAIL)
    public_key = x509.load_pem_x509_certificate(key.certificate_pem.encode()).public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    public_key.verify(key.sign(b"message"), b"message", padding.PKCS1v15(), hashes.SHA256())


def test_passwords_are_salted_and_checked() -> None:
    """The same password is stored differently each time; only it matches."""
    first, second = hash_password("빨간 차"), hash_password("빨간 차")
    assert first != second
    assert "빨간" not in first
    assert matches("빨간 차", first)
    assert matches("빨간 차", second)
    assert not matches("빨간차", first)
    assert not matches("", first)
