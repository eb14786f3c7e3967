"""Signatures against the vectors that the venues publish (and, where named, ccxt's output for the
same input)."""

import sys
from urllib.parse import parse_qsl, urlsplit

import pytest

from exchanges.binance import BINANCE
from exchanges.signing import (
    base36,
    eip712,
    encode_query,
    hmac_base64,
    hmac_hex,
    key_fields,
    sha512_hex,
)
from orderbook.errors import AuthenticationError, ConfigError

# The key pair printed in the venue's REST documentation, section "SIGNED endpoint examples".
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
DOCUMENTED = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        # Published: REST, order of LTCBTC; the same with a symbol of full-width digits, percent-
        # encoded.
        (
            f"symbol=LTCBTC&{DOCUMENTED}&timestamp=1499827319559",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        ),
        (
            f"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&{DOCUMENTED}&timestamp=1499827319559",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
        # Published: websocket API, order.place.
        (
            f"apiKey={KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC"
            "&timestamp=1645423376532&type=LIMIT",
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        ),
    ],
)
def test_published_vectors(payload: str, signature: str) -> None:
    assert hmac_hex(SECRET, payload) == signature


def test_a_rest_request_is_signed_over_its_own_bytes() -> None:
    auth = BINANCE.auth({"api_key": KEY, "api_secret": SECRET})
    params = dict(parse_qsl(f"symbol=LTCBTC&{DOCUMENTED}"))
    ready = auth.generate_auth_dict(
        "POST", "https://api/v3/order", params, None, now=1499827319.559
    )
    parts = urlsplit(ready["url"])
    assert parts.query.endswith(
        "&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )
    assert ready["headers"] == {"X-MBX-APIKEY": KEY}
    assert ready["body"] == b""


def test_names_outside_ascii_are_encoded_before_signing() -> None:
    auth = BINANCE.auth({"api_key": KEY, "api_secret": SECRET})
    params = {"symbol": "１２３４５６"} | dict(
        parse_qsl(DOCUMENTED)
    )  # full-width digits, as in the documentation
    ready = auth.generate_auth_dict("POST", "https://x/y", params, None, now=1499827319.559)
    assert ready["url"].endswith("e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3")


def test_a_user_stream_subscription_is_signed_like_a_logon() -> None:
    # Published: session.logon; the payload of userDataStream.subscribe.signature is the same.
    params = BINANCE.auth({"api_key": KEY, "api_secret": SECRET}).login(1649729878.532)["params"]
    assert params["signature"] == "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed"


def test_other_venues_primitives() -> None:
    # Kraken's documentation, computed over its own steps, needs SHA-512 in base64 and hex.
    assert hmac_base64("secret", "x", "sha512") != hmac_base64("other", "x", "sha512")
    # Bittrex's documentation: the content hash of an empty body.
    assert sha512_hex("").startswith(
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
    )


def test_missing_key_fields_are_named_and_values_are_not() -> None:
    with pytest.raises(
        AuthenticationError, match="lacks api_secret; it needs api_key, api_secret"
    ) as caught:
        key_fields({"api_key": "visible?"}, "api_key", "api_secret")
    assert "visible?" not in str(caught.value)
    assert "S3CRET" not in repr(BINANCE.auth({"api_key": "K", "api_secret": "S3CRET"}))


def test_numbers_in_base_36() -> None:
    assert all(int(base36(n), 36) == n for n in (0, 35, 36, 2**80 - 1))


def test_queries_are_encoded_in_the_given_order() -> None:
    assert encode_query({"b": "a b", "a": "é/"}) == "b=a%20b&a=%C3%A9%2F"


AGENT = {
    "Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]
}


def test_typed_data_of_ethereum_is_signed_by_the_key_s_own_address() -> None:
    from eth_account import Account
    from eth_account.messages import encode_typed_data
    from eth_utils.crypto import keccak

    domain = {"name": "Exchange", "version": "1", "chainId": 1337}
    key = "0x" + "0123456789" * 6 + "0123"
    signed = eip712(key, domain, AGENT, "connectionId")({"source": "a"}, b"payload")
    said = encode_typed_data(domain, AGENT, {"source": "a", "connectionId": keccak(b"payload")})
    vrs = (signed["v"], int(signed["r"], 16), int(signed["s"], 16))
    assert Account.recover_message(said, vrs=vrs) == "0x14791697260E4c9A71f18484C9f997B308e59325"
    assert {len(signed[name]) for name in "rs"} == {66}


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "eth_account", None)
    with pytest.raises(ConfigError, match="pip install eth-account"):
        eip712("0x", {}, {}, "")
