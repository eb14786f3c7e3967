"""Accounts that are Ethereum addresses: the address is recovered from a signature (EIP-712)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class WalletSignature:
    """The numbers of an ECDSA signature; ``v`` says which of the two possible keys made it."""

    v: int
    r: int
    s: int


def new_wallet() -> dict[str, str]:
    """An address in lower case as ``api_key``, its private key as ``api_secret``.

    Raises ValueError where the package for it is not installed."""
    private_key = "0x" + secrets.token_hex(32)
    return {"api_key": address_of(private_key), "api_secret": private_key}


def address_of(private_key: str) -> str:
    """In lower case. Raises ValueError where the package for it is not installed."""
    try:
        from eth_account import Account
    except ImportError:
        raise ValueError(
            "the keys of this venue need one package more: pip install eth-account"
        ) from None
    return str(Account.from_key(private_key).address).lower()


def keccak256(payload: bytes) -> bytes:
    """Ethereum's hash."""
    from eth_utils.crypto import keccak

    return bytes(keccak(payload))


def signer_address(
    domain: Mapping[str, Any],
    types: Mapping[str, Any],
    message: Mapping[str, Any],
    signature: WalletSignature,
) -> str:
    """The address that signed a message of typed data, in lower case. A signature of anything else
    gives some other address.

    Raises ValueError for numbers that are no signature."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data
    from eth_keys.exceptions import BadSignature

    signable = encode_typed_data(dict(domain), dict(types), dict(message))
    try:
        address = Account.recover_message(signable, vrs=(signature.v, signature.r, signature.s))
    except BadSignature as error:
        raise ValueError(str(error)) from None
    return str(address).lower()
