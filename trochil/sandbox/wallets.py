"""Venues whose accounts are addresses of Ethereum: whoever signed acts, and nobody needs to say who that is."""

import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

import msgpack

from trochil.sandbox.dialect import Ask, Wire
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.venue import Rejected
from trochil.sandbox.server import Server
from trochil.sandbox.signatures import address_of, who_signed

NONCES, DAY = 100, 86_400_000


class Wallets(Wire):
    """Keys are an address and its private key. An action is packed and hashed with a nonce of milliseconds; what is
    signed is the hash, in typed data (EIP-712)."""

    domain: ClassVar[Mapping[str, Any]] = {}
    types: ClassVar[Mapping[str, Any]] = {}
    hashed: ClassVar[str] = ""
    """The field of the typed data that is the hash."""
    messages: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """The other fields, in each form that counts."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._nonces: dict[str, list[int]] = {}

    def new_keys(self, name: str) -> dict[str, str]:
        key = "0x" + secrets.token_hex(32)
        return {"api_key": address_of(key), "api_secret": key}

    def verify(self, ask: Ask) -> Account:
        """Of a wrong hash the signature is somebody else's. Raises Rejected: bad_key naming an address, bad_time."""
        terms = {
            "hashed": self.hashed,
            "payload": packed(**OPTIONAL | ask.body),
            **ask.body["signature"],
        }
        signers = [
            who_signed(self.domain, self.types, message, **terms) for message in self.messages
        ]
        account = next(filter(None, map(self.server.account_of_key, signers)), None)
        if account is None:
            raise Rejected("bad_key", signers[0])
        self._use(ask.body["nonce"], self._nonces.setdefault(account.name, []))
        return account

    def _use(self, nonce: int, used: list[int]) -> None:
        """A nonce must be new, above the least of the hundred highest, and near the clock."""
        now = self.server.now_ns() // 1_000_000
        if (
            nonce in used
            or (used[NONCES - 1 :] and nonce < used[0])
            or not now - 2 * DAY < nonce < now + DAY
        ):
            raise Rejected("bad_time", str(nonce))
        used[:] = sorted([*used, nonce])[-NONCES:]


OPTIONAL = {"vaultAddress": None, "expiresAfter": None}


def packed(
    action: Any, nonce: int, signature: Any, vaultAddress: str | None, expiresAfter: int | None
) -> bytes:
    """What is hashed: the action, its nonce, for whose vault it is, and until when (ms)."""
    vault = b"\1" + bytes.fromhex(vaultAddress[2:]) if vaultAddress else b"\0"
    ends = b"\0" + expiresAfter.to_bytes(8, "big") if expiresAfter else b""
    return bytes(msgpack.packb(action)) + nonce.to_bytes(8, "big") + vault + ends
