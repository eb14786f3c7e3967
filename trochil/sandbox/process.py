"""The sandbox as a process of its own, for demos, notebooks and tests."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from trochil.sandbox.dialects import FIRST

READY_WITHIN = 30.0


class SandboxError(RuntimeError):
    """The sandbox could not start, or refused a request at its admin door."""


class SandboxProcess:
    """``with SandboxProcess("venue", pairs=[...], seed=1) as sandbox``: a venue on a free port of
    this machine.

    Other options are those of ``trochil sandbox``: rate, faults (text), replay, pair, speed, drop,
    port.
    """

    def __init__(self, exchange: str = FIRST, **options: Any) -> None:
        self.exchange = exchange
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._log: IO[str] | None = None
        self._address: dict[str, Any] = {}

    def start(self) -> Self:
        command = [sys.executable, "-P", "-m", "trochil.sandbox", self.exchange, "--json"]
        for name, value in self._options.items():
            if value is not None:
                values = list(value) if isinstance(value, list | tuple) else [value]
                command += [f"--{name}", *map(str, values)]
        # A file: nobody would empty a pipe, and a full one would stop the sandbox.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            why = self.log.strip()
            self.stop()
            raise SandboxError(why or "the sandbox ended and wrote nothing to its log")
        self._address = json.loads(line)
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.raise_own_errors()
        finally:
            self.stop()

    def raise_own_errors(self) -> None:
        """Raises SandboxError where the sandbox made mistakes of its own: what a client saw then
        proves nothing."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            status = self.admin("GET", "status")
        except OSError:  # it was stopped, or is about to end
            return
        if status["own_errors"]:
            raise SandboxError(
                "\n".join(["the sandbox's own mistakes:", *status["own_errors"], self.log])
            )

    @property
    def log(self) -> str:
        """What the sandbox has logged."""
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def hosts(self) -> dict[str, dict[str, str]]:
        """Venue -> its rest, public and private addresses."""
        hosts: dict[str, dict[str, str]] = self._address["exchange"]
        return hosts

    @property
    def accounts(self) -> dict[str, dict[str, str]]:
        accounts: dict[str, dict[str, str]] = self._address["accounts"]
        return accounts

    @property
    def pairs(self) -> list[str]:
        pairs: list[str] = self._address["pairs"]
        return pairs

    @property
    def admin_url(self) -> str:
        url: str = self._address["admin"]
        return url

    @property
    def admin_token(self) -> str:
        token: str = self._address["admin_token"]
        return token

    @property
    def folder(self) -> Path:
        """A private folder of this sandbox; gone when it stops."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix="trochil-sandbox-", ignore_cleanup_errors=True
            )
        return Path(self._folder.name)

    @property
    def config(self) -> dict[str, Any]:
        """What ``trochil.connect`` needs to trade here: the hosts, and a journal that ends with
        this venue."""
        venues = {name: {"hosts": hosts} for name, hosts in self.hosts.items()}
        return {"state_dir": str(self.folder / "state"), "venues": venues}

    @property
    def keys_file(self) -> str:
        """A private TOML file with one table an account; gone when the sandbox stops."""
        path = self.folder / "keys.toml"
        tables = [
            f"[{name}]\n" + "".join(f'{field} = "{value}"\n' for field, value in keys.items())
            for name, keys in self.accounts.items()
        ]
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write("\n".join(tables))
        return str(path)

    def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request at the admin door, answered as JSON. Raises SandboxError with what it
        said."""
        data = json.dumps(body or {}).encode() if method == "POST" else None
        headers = {"X-Sandbox-Token": self.admin_token, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.admin_url}/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise SandboxError(error.read().decode()) from None
