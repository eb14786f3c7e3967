"""Nonces of one key grow over all processes, whatever the clock does."""

import multiprocessing
import os
from pathlib import Path

import pytest

from actors.transport.nonces import Nonces


def many(folder: str, count: int) -> list[int]:
    nonces = Nonces("venue", "key", Path(folder))
    return [round(nonces.next(100.0) * 1e6) for _ in range(count)]


def test_processes_never_give_out_the_same_nonce(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(many, [(str(tmp_path), 500)] * 2)
    assert len({*found[0], *found[1]}) == 1000
    assert all(numbers == sorted(numbers) for numbers in found)


def test_a_clock_that_is_set_back_makes_no_smaller_nonce_here_or_elsewhere(tmp_path: Path) -> None:
    first = Nonces("venue", "key", tmp_path)
    before = first.next(1_800_000_000.0)
    assert first.next(1_700_000_000.0) > before
    assert Nonces("venue", "key", tmp_path).next(1_700_000_000.0) > before
    assert Nonces("venue", "other", tmp_path).next(1_700_000_000.0) == 1_700_000_000.0


def test_a_folder_that_cannot_be_used_is_told_once_and_nonces_grow_here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    nonces = Nonces("venue", "key", tmp_path / "file")
    first = nonces.next(100.0)
    assert nonces.next(50.0) > first
    assert len(caplog.records) == 1
    assert str(tmp_path) in caplog.text


def test_the_file_is_private_and_names_no_key(tmp_path: Path) -> None:
    Nonces("venue", "a-public-key", tmp_path / "own").next(1.0)
    (file,) = (tmp_path / "own").iterdir()
    assert "key" not in file.name
    assert os.stat(file).st_mode & 0o077 == 0
    assert os.stat(file.parent).st_mode & 0o077 == 0
