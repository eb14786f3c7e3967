"""FrameProtocol and answers for the adapters."""

import json
from pathlib import Path
from typing import Any

from actors.books.book_pipeline import BookPipeline
from exchanges.requests import Answer
from orderbook.shared import SharedBook


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Of bytes as they are, of anything else as JSON."""
    return Answer(status, headers or {}, body if isinstance(body, bytes) else encoded(body))


def track(
    feed: Any, memory: Path, capacity: int = 8192
) -> tuple[BookPipeline, SharedBook, list[Any]]:
    """What turns messages into a book, the book (a shared one), the snapshots that it asks for."""
    path = f"{memory}/x/A.arrow"
    book = SharedBook.create(
        path, venue="x", trading_pair="A-B", capacity=capacity, max_depth=feed.depth
    )
    asked: list[Any] = []
    return (
        BookPipeline(book, feed, asked.append, lambda message, at: None, lambda pair: None),
        book,
        asked,
    )
