"""The sandbox as a process of its own, for demos, notebooks and tests."""

import json
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from trochil.sandbox.dialects import FIRST

READY_WITHIN = 30.0


class SandboxError(RuntimeError):
    """The sandbox could not start, or refused a request at its admin door."""


@dataclass(frozen=True, slots=True)
class SandboxVenue:
    """One venue of a sandbox that runs."""

    name: str
    hosts: dict[str, str]
    """Its rest, public and private addresses."""
    accounts: dict[str, dict[str, str]]
    """Keys by account."""
    pairs: list[str]
    admin_url: str
    admin_token: str
    tls: ssl.SSLContext | None

    def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request at the admin door, answered as JSON. Raises SandboxError with what it
        said."""
        data = json.dumps(body or {}).encode() if method == "POST" else None
        headers = {"X-Sandbox-Token": self.admin_token, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.admin_url}/{path}", data, headers, method=method)
        try:
            with _opener(self.tls).open(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise SandboxError(error.read().decode()) from None


def _opener(tls: ssl.SSLContext | None) -> urllib.request.OpenerDirector:
    """Asks this machine directly, whatever proxy the environment names."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if tls is not None:
        handlers.append(urllib.request.HTTPSHandler(context=tls))
    return urllib.request.build_opener(*handlers)


class SandboxProcess:
    """``with SandboxProcess("venue", pairs=[...], seed=1) as sandbox``: a venue on a free port of
    this machine; with more names, or "all", several, which are in ``venues``.

    Other options are those of ``trochil sandbox``: rate, levels, trend, faults (text), replay,
    pair, speed, drop, port, host, tls, tls_name (a list), write, state_dir. ``accounts``, ``pairs``
    and ``admin`` are of the first venue.
    """

    def __init__(self, exchange: str = FIRST, *others: str, **options: Any) -> None:
        self.exchange = exchange
        self._exchanges = (exchange, *others)
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._log: IO[str] | None = None
        self.venues: dict[str, SandboxVenue] = {}
        self.ca_file: str | None = None
        """With TLS: the certificate that clients are to trust."""

    def _arguments(self) -> list[str]:
        found = []
        for name, value in self._options.items():
            option = f"--{name.replace('_', '-')}"
            if value is True:
                found.append(option)
            elif value is not None and value is not False:
                values = value if isinstance(value, list | tuple) else [value]
                for one in values:
                    found += [option, str(one)]
        return found

    def start(self) -> Self:
        command = [sys.executable, "-P", "-m", "trochil.sandbox", *self._exchanges, "--json"]
        command += self._arguments()
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
        self._read(json.loads(line))
        return self

    def _read(self, found: dict[str, Any]) -> None:
        self.ca_file = found["ca_file"]
        tls = None if self.ca_file is None else ssl.create_default_context(cafile=self.ca_file)
        self.venues = {
            name: SandboxVenue(
                name,
                hosts=venue["hosts"],
                accounts=venue["accounts"],
                pairs=venue["pairs"],
                admin_url=venue["admin"],
                admin_token=venue["admin_token"],
                tls=tls,
            )
            for name, venue in found["venues"].items()
        }
        self.exchange = next(iter(self.venues))

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
        mistakes = []
        for name, venue in self.venues.items():
            ask = self.admin if name == self.exchange else venue.admin
            try:
                status = ask("GET", "status")
            except OSError:  # it was stopped, or is about to end
                continue
            mistakes += [f"{name}: {error}" for error in status["own_errors"]]
        if mistakes:
            raise SandboxError("\n".join(["the sandbox's own mistakes:", *mistakes, self.log]))

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
    def _first(self) -> SandboxVenue:
        return self.venues[self.exchange]

    @property
    def hosts(self) -> dict[str, dict[str, str]]:
        """Venue -> its rest, public and private addresses."""
        return {name: venue.hosts for name, venue in self.venues.items()}

    @property
    def accounts(self) -> dict[str, dict[str, str]]:
        """Keys by account."""
        return self._first.accounts

    @property
    def pairs(self) -> list[str]:
        return self._first.pairs

    @property
    def admin_url(self) -> str:
        return self._first.admin_url

    @property
    def admin_token(self) -> str:
        return self._first.admin_token

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
        trust = {} if self.ca_file is None else {"ca_file": self.ca_file}
        venues = {name: {"hosts": hosts} | trust for name, hosts in self.hosts.items()}
        return {"state_dir": str(self.folder / "state"), "venues": venues}

    @property
    def keys_file(self) -> str:
        """A private TOML file; gone when the sandbox stops. One table an account; of several
        venues one table each, with the default account."""
        tables = self.accounts
        if len(self.venues) > 1:
            tables = {name: venue.accounts["default"] for name, venue in self.venues.items()}
        path = self.folder / "keys.toml"
        texts = [
            f"[{name}]\n" + "".join(f'{field} = "{value}"\n' for field, value in keys.items())
            for name, keys in tables.items()
        ]
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write("\n".join(texts))
        return str(path)

    @property
    def key_references(self) -> dict[str, str]:
        """Venue -> the reference of its default account's key, for ``trochil.connect``."""
        several = len(self.venues) > 1
        file = self.keys_file
        return {name: f"file:{file}#{name if several else 'default'}" for name in self.venues}

    def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request at the admin door of the (first) venue, answered as JSON. Raises SandboxError
        with what it said."""
        return self._first.admin(method, path, body)
