"""Signatures as the venue computes them, in one line each."""

import base64
import hashlib
import hmac
from typing import Any


def signature(
    secret: str | bytes, payload: str | bytes, algorithm: str = "sha256", encoding: str = "hex"
) -> str:
    """HMAC of the payload as lower-case hex or base64."""
    digest = hmac.new(_bytes(secret), _bytes(payload), algorithm).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def digest(payload: str | bytes, algorithm: str = "sha256") -> bytes:
    return hashlib.new(algorithm, _bytes(payload)).digest()


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def address_of(key: str) -> str:
    """The address of a private key of Ethereum, in small letters. Raises ValueError where the package for it lacks."""
    try:
        from eth_account import Account
    except ImportError:
        raise ValueError(
            "the keys of this venue need one package more: pip install eth-account"
        ) from None
    return str(Account.from_key(key).address).lower()


def who_signed(
    domain: Any, types: Any, message: Any, hashed: str, payload: bytes, r: str, s: str, v: int
) -> str:
    """The address that signed typed data of Ethereum (EIP-712) whose field ``hashed`` is the payload's Keccak hash: of
    whatever was signed, the signature tells somebody's."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data
    from eth_utils.crypto import keccak

    said = encode_typed_data(domain, types, {**message, hashed: keccak(payload)})
    return str(Account.recover_message(said, vrs=(v, int(r, 16), int(s, 16)))).lower()
