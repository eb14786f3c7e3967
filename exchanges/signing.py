"""What venues sign with, in one line each."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from orderbook.errors import AuthenticationError, ConfigError


def hmac_hex(secret: str | bytes, payload: str | bytes, algorithm: str = "sha256") -> str:
    """Lower-case hex HMAC."""
    return hmac.new(_bytes(secret), _bytes(payload), algorithm).hexdigest()


def hmac_base64(secret: str | bytes, payload: str | bytes, algorithm: str = "sha256") -> str:
    return base64.b64encode(hmac.new(_bytes(secret), _bytes(payload), algorithm).digest()).decode()


def base64_key(secret: str) -> bytes:
    """A secret that venues give as base64. Raises AuthenticationError, without its value, where it
    is none."""
    try:
        return base64.b64decode(secret, validate=True)
    except ValueError:
        raise AuthenticationError("api_secret is not base64: copy it whole") from None


def sha512_hex(payload: str | bytes) -> str:
    return hashlib.sha512(_bytes(payload)).hexdigest()


def eip712(
    secret: str, domain: Mapping[str, Any], types: Mapping[str, Any], hashed: str
) -> Callable[[Mapping[str, Any], bytes], dict[str, Any]]:
    """Signs typed data of Ethereum, (message, payload) -> r, s, v, whose field ``hashed`` is the
    payload's Keccak hash.

    Raises AuthenticationError for what is no key, ConfigError when eth-account isn't installed: it
    is slow to import, and only traders need it.
    """
    try:
        from eth_account import Account
        from eth_account.messages import encode_typed_data
        from eth_utils.crypto import keccak
    except ImportError:
        raise ConfigError(
            "signing for this venue needs one package more: pip install eth-account"
        ) from None
    try:
        wallet = Account.from_key(secret)
    except ValueError:
        raise AuthenticationError(
            "the secret is no private key: 0x and 64 hexadecimal digits"
        ) from None

    def sign(message: Mapping[str, Any], payload: bytes) -> dict[str, Any]:
        typed = encode_typed_data(dict(domain), dict(types), {**message, hashed: keccak(payload)})
        signed = wallet.sign_message(typed)
        return {"r": f"0x{signed.r:064x}", "s": f"0x{signed.s:064x}", "v": signed.v}

    return sign


def encode_query(params: Mapping[str, str]) -> str:
    """Percent-encoded k=v&k=v in the order given."""
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params.items()
    )


def key_fields(keys: Mapping[str, str], *names: str) -> list[str]:
    """The named fields of a key. Raises AuthenticationError naming those that are missing, never a
    value."""
    missing = [name for name in names if not keys.get(name)]
    if missing:
        raise AuthenticationError(
            f"the key lacks {', '.join(missing)}; it needs {', '.join(names)}"
        )
    return [keys[name] for name in names]


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"


def uuid_of(number: int) -> str:
    """A number of 80 bits in the form of a random UUID."""
    return str(UUID(int=number >> 62 << 80 | number & (1 << 62) - 1, version=4))


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
