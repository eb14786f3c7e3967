"""Signatures as the venue computes them, in one line each."""

import base64
import hashlib
import hmac


def signature(
    secret: str | bytes, payload: str | bytes, algorithm: str = "sha256", encoding: str = "hex"
) -> str:
    """HMAC of the payload as lower-case hex or base64."""
    digest = hmac.new(_bytes(secret), _bytes(payload), algorithm).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def digest(payload: str | bytes, algorithm: str = "sha256") -> bytes:
    return hashlib.new(algorithm, _bytes(payload)).digest()


def _bytes(value: str | bytes) -> bytes:
    """Half a character, which clients may send, is none of the secret's either."""
    return value.encode(errors="surrogatepass") if isinstance(value, str) else value
