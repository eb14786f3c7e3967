"""Who acts at Hyperliquid: whoever signed, as Ethereum signs typed data. Source: its API documentation, "Signing"."""

import secrets
from typing import Any

import msgpack

from trochil.sandbox.accounts import Account
from trochil.sandbox.dialect import Ask, Wire
from trochil.sandbox.server import Server
from trochil.sandbox.signatures import address_of, who_signed
from trochil.sandbox.venue import Rejected

DOMAIN = {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": "0x" + "0" * 40}
AGENT = {"Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]}
NONCES, DAY = 100, 86_400_000


class Wallets(Wire):
    """Accounts are addresses; it is the main network and the test network in one."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._nonces: dict[str, list[int]] = {}

    def new_keys(self, name: str) -> dict[str, str]:
        key = "0x" + secrets.token_hex(32)
        return {"api_key": address_of(key), "api_secret": key}

    def verify(self, ask: Ask) -> Account:
        """Of a wrong hash the signature is somebody else's."""
        said, payload = ask.body, packed(**{"vaultAddress": None, "expiresAfter": None} | ask.body)
        signers = [
            who_signed(DOMAIN, AGENT, {"source": net}, "connectionId", payload, **said["signature"]) for net in "ab"
        ]
        account = next(filter(None, map(self.server.account_of_key, signers)), None)
        if account is None:
            raise Rejected("bad_key", signers[0])
        self._use(said["nonce"], self._nonces.setdefault(account.name, []))
        return account

    def _use(self, nonce: int, used: list[int]) -> None:
        """A nonce must be new, above the least of the hundred highest, and near the clock."""
        now = self.server.now_ns() // 1_000_000
        if nonce in used or (used[NONCES - 1 :] and nonce < used[0]) or not now - 2 * DAY < nonce < now + DAY:
            raise Rejected("bad_time", str(nonce))
        used[:] = sorted([*used, nonce])[-NONCES:]


def packed(action: Any, nonce: int, signature: Any, vaultAddress: str | None, expiresAfter: int | None) -> bytes:
    """What is hashed and signed."""
    vault = b"\1" + bytes.fromhex(vaultAddress[2:]) if vaultAddress else b"\0"
    ends = b"\0" + expiresAfter.to_bytes(8, "big") if expiresAfter else b""
    return bytes(msgpack.packb(action)) + nonce.to_bytes(8, "big") + vault + ends
