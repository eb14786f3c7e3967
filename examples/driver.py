"""A driver for a Ray cluster: joins or starts a deployment, reads its books, and leaves the actors
running.

    RAY_AUTH_MODE=token ray job submit --working-dir examples -- python driver.py deployment.yaml

The file names venues, pairs and accounts (see docs/operating.md). A second run finds the actors and
their live books.
"""

import sys

import trochil


def main(config: str) -> None:
    client = trochil.connect(config=config)
    for name in client.books():
        book = client.book(name.venue, name.trading_pair, timeout=60)
        top = book.top()
        print(
            f"{book.venue} {book.trading_pair} {book.state.name} epoch {book.epoch} "
            f"bid {top.bid} ask {top.ask}"
        )
    for actor, found in client.status().actors.items():
        print(f"{actor} in process {found['pid']}")
    client.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "deployment.yaml")
