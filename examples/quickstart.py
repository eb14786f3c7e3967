"""The shortest whole thing: a local venue, a live book, one filled order. Run it anywhere; no keys,
no network."""

import trochil
from trochil.sandbox.process import SandboxProcess

with SandboxProcess("binance") as sandbox:
    keys = {"binance": f"file:{sandbox.keys_file}#default"}
    with trochil.connect(
        "binance", pairs=["BTC-USDT"], accounts=keys, config=sandbox.config, address="inline"
    ) as client:
        book = client.book("binance", "BTC-USDT")
        print(book.top())
        order = client.market("binance").buy("BTC-USDT", "0.01", type="market")
        print(order.wait("filled", timeout=10), order.average)
