"""The sandbox as a command: several venues, other addresses, TLS, deployment files, and its end."""

import asyncio
import contextlib
import fcntl
import http.client
import json
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

import trochil
from actors.runtime.component_factory import rest_of
from actors.settings import VenueSettings, load_settings
from actors.transport.ccxt_client import make_ccxt
from actors.transport.credentials import load_keys
from exchanges.registry import get
from orderbook.errors import ConfigError, Disconnected
from trochil.sandbox import certificates, dialects
from trochil.sandbox.__main__ import main
from trochil.sandbox.addresses import address_of_this_machine, is_loopback
from trochil.sandbox.process import SandboxError, SandboxProcess

pytestmark = pytest.mark.sandbox
PATIENCE = 20.0


class Command:
    """``trochil sandbox`` in a process of its own, up to the line that says it is ready."""

    def __init__(self, folder: Path, *arguments: str, **env: str) -> None:
        self._errors = open(folder / "stderr", "w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "trochil.sandbox", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | env,
        )
        assert self.process.stdout is not None
        self.lines: list[str] = []
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if "Ctrl-C ends it" in line or line.startswith("{"):
                break
        self.children = children_of(self.process.pid)

    def ports(self) -> list[int]:
        return [urlsplit(line.split()[1]).port or 0 for line in self.lines if " and ws" in line]

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.end()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        return [int(i) for i in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def answers(port: int, host: str = "127.0.0.1") -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection((host, port), 5).close()
        return True
    return False


def lives(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    return False


def trade(client: trochil.Client, venue: str, pair: str) -> str:
    """Buy at market price; the id of its fill."""
    book = client.book(venue, pair)
    market = client.market(venue)
    market.wait_ready(timeout=PATIENCE)
    order = market.buy(pair, "0.01", f"{book.top().ask * 1.01:.1f}")
    order.wait("filled", timeout=PATIENCE)
    assert order.filled == order.amount
    return str(market.fills().to_pylist()[-1]["trade_id"])


@pytest.fixture(autouse=True)
def one_at_a_time() -> Iterator[None]:
    """Several processes may run these tests, which free ports and expect them to stay free."""
    lock = Path(tempfile.gettempdir()) / f"trochil-tests-ports-{os.getuid()}"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def two_free_ports() -> int:
    """The first of two, below those that the system gives to whoever asks for any."""
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            with (
                socket.create_server(("127.0.0.1", port)),
                socket.create_server(("127.0.0.1", port + 1)),
            ):
                return port
        except OSError:
            continue


# Several venues.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_several_venues_end_together_also_with_a_client_that_answers_nothing(
    number: int, tmp_path: Path
) -> None:
    with Command(tmp_path, "binance", "kraken") as command:
        ports = command.ports()
        assert len(set(ports)) == len(command.children) == 2
        with socket.create_connection(("127.0.0.1", ports[0])) as mute:
            mute.sendall(
                b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert mute.recv(12) == b"HTTP/1.1 101"
            assert command.end(number) == 0
        assert not any(lives(pid) for pid in command.children)
        assert not any(answers(port) for port in ports)
        assert command.errors() == ""


def test_no_venue_outlives_a_command_that_is_killed(tmp_path: Path) -> None:
    with Command(tmp_path, "binance", "okx") as command:
        command.end(signal.SIGKILL)
        until(lambda: not any(lives(pid) for pid in command.children))
        assert not any(answers(port) for port in command.ports())


def test_a_venue_that_ends_by_itself_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    with Command(tmp_path, "binance", "kraken", "okx") as command:
        binance, kraken, okx = command.ports()
        os.kill(command.children[1], signal.SIGKILL)
        until(lambda: "kraken ended by itself, by signal 9" in command.errors())
        assert "still running: binance, okx" in command.errors()
        assert [answers(port) for port in (binance, kraken, okx)] == [True, False, True]
        assert command.end() == 1


def test_the_sandboxs_own_mistakes_bear_the_name_of_their_venue(tmp_path: Path) -> None:
    """A venue of another package, with a mistake in it, beside one of ours."""
    (tmp_path / "mistaken.py").write_text(
        "from trochil.sandbox.dialects import binance\n"
        "class Dialect(binance.Dialect):\n"
        "    async def request_kind(self, request):\n"
        "        raise ZeroDivisionError('here')\n"
    )
    (tmp_path / "mistaken-1.dist-info").mkdir()
    (tmp_path / "mistaken-1.dist-info" / "METADATA").write_text("Name: mistaken\nVersion: 1\n")
    points = tmp_path / "mistaken-1.dist-info" / "entry_points.txt"
    points.write_text("[trochil.sandbox]\nmistaken = mistaken:Dialect\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    with Command(tmp_path, "mistaken", "binance", PYTHONPATH=path) as command:
        for port, status in zip(command.ports(), (500, 200), strict=True):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", "/api/v3/time")
            assert connection.getresponse().status == status
            connection.close()
        assert command.end() == 1
        assert "mistaken: the sandbox's own mistake: GET /api/v3/time" in command.errors()
        assert "sandbox: mistaken: 1 mistakes of the sandbox's own" in command.errors()
        assert "binance:" not in command.errors()


def test_where_one_port_is_taken_no_venue_stays_up(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    port = two_free_ports() + 1
    with socket.create_server(("127.0.0.1", port)):
        assert main(["binance", "kraken", "--port", str(port - 1)]) == 2
        said = capfd.readouterr().err
        assert f"kraken: port {port} of 127.0.0.1 can't be used: Address already in use" in said
        assert "choose another --port" in said
        assert len(said.splitlines()) == 1
        assert not answers(port - 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("krakn", "can't play 'krakn'; did you mean kraken? It plays binance, "),
        ("binance okx binance", "binance is named twice"),
        ("binance okx --replay x", "a recording is of one venue"),
        ("binance okx --port 65535", "okx: there is no port 65536"),
        ("binance --host 203.0.113.1", "binance: 203.0.113.1 is no address of this machine"),
        ("binance --host nowhere.invalid", "--host nowhere.invalid: "),
        ("binance --tls-name x.example", "--tls-name goes with --tls"),
        ("binance --tls --tls-name bücher --state-dir {folder}", "'bücher' is no name"),
        ("binance --tls --state-dir /proc/1", "name another folder with --state-dir"),
        ("binance --write desk.toml", "name a file that ends in .yaml"),
        (
            "binance --write {folder}/none/desk.yaml --state-dir {folder}",
            "can't be written: No such file",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: str, said: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(arguments.format(folder=tmp_path).split()) == 2
    error = capfd.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_ports_follow_the_first_one(tmp_path: Path) -> None:
    free = two_free_ports()
    with Command(tmp_path, "okx", "kraken", "--port", str(free)) as command:
        assert command.ports() == [free, free + 1]


# Addresses.


def test_the_admin_door_answers_on_this_machine_only(tmp_path: Path) -> None:
    with SandboxProcess("binance", host="0.0.0.0") as sandbox:
        assert sandbox.admin("GET", "status")["own_errors"] == []
        where = urlsplit(sandbox.hosts["binance"]["rest"])
        outside = address_of_this_machine(socket.AF_INET)
        assert where.hostname == outside
        if is_loopback(outside):
            pytest.skip("this machine has no network")
        found = sandbox.venues["binance"]
        for source, target, status in (
            ("", outside, 200),
            (outside, "127.0.0.1", 403),  # as from another machine
        ):
            connection = http.client.HTTPConnection(
                target, where.port, timeout=PATIENCE, source_address=(source, 0)
            )
            token = {"X-Sandbox-Token": found.admin_token}
            connection.request("GET", "/_sandbox/status", headers=token)
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (status, True)
            connection.request("GET", "/api/v3/time")
            assert connection.getresponse().status == 200
            connection.close()


def test_an_open_address_is_said_to_be_open(tmp_path: Path) -> None:
    with Command(tmp_path, "binance", "--host", "0.0.0.0") as command:
        assert any("open to other machines" in line for line in command.lines)
    with Command(tmp_path, "binance", "--host", "127.0.0.2") as command:
        assert not any("open to other machines" in line for line in command.lines)
        assert answers(command.ports()[0], "127.0.0.2")
        assert not answers(command.ports()[0])


def test_an_address_of_ipv6_is_written_as_a_url_wants_it(tmp_path: Path) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    with SandboxProcess("binance", host="::1", tls=True, state_dir=tmp_path) as sandbox:
        assert sandbox.hosts["binance"]["rest"].startswith("https://[::1]:")
        assert sandbox.admin("GET", "status")["own_errors"] == []


# TLS.


def test_our_client_trades_over_tls_at_two_venues(tmp_path: Path) -> None:
    with SandboxProcess("binance", "kraken", tls=True, state_dir=tmp_path) as sandbox:
        assert sandbox.hosts["kraken"]["private"].startswith("wss://")
        config = sandbox.config
        for name, venue in config["venues"].items():
            venue["pairs"] = sandbox.venues[name].pairs[:1]
        accounts = sandbox.key_references
        with trochil.connect(config=config, accounts=accounts, address="inline") as client:
            trade(client, "binance", "BTC-USDT")
            trade(client, "kraken", "BTC-USD")
        orders = [venue.admin("GET", "orders") for venue in sandbox.venues.values()]
        assert [len(found) for found in orders] == [1, 1]


CLIENT_OF_THE_ENVIRONMENT = """
import json, sys, requests, trochil
config, accounts = json.load(sys.stdin)
host = config["venues"]["binance"]["hosts"]["rest"]
assert requests.get(host + "/api/v3/time").ok
options = {"pairs": ["BTC-USDT"], "accounts": accounts, "config": config, "address": "inline"}
with trochil.connect("binance", **options) as client:
    print(client.book("binance", "BTC-USDT").state.name)
    client.market("binance").wait_ready(timeout=20)
"""


def test_the_ca_is_believed_by_the_environment_too_and_by_nobody_else(tmp_path: Path) -> None:
    with SandboxProcess("binance", tls=True, state_dir=tmp_path) as sandbox:
        assert sandbox.ca_file is not None
        config = sandbox.config
        venue = config["venues"]["binance"]
        venue.pop("ca_file")
        done = subprocess.run(
            [sys.executable, "-c", CLIENT_OF_THE_ENVIRONMENT],
            input=json.dumps([config, sandbox.key_references]),
            env=os.environ
            | {"SSL_CERT_FILE": sandbox.ca_file, "REQUESTS_CA_BUNDLE": sandbox.ca_file},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout == "LIVE\n", done.stderr

        async def ask() -> None:
            rest = rest_of(get("binance"), VenueSettings(hosts=venue["hosts"]))
            try:
                assert get("binance").server_time is not None
                await rest.run(get("binance").server_time)
            finally:
                await rest.close()

        with pytest.raises(Disconnected, match="nothing was sent: .*certificate"):
            asyncio.run(ask())


def test_a_ca_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    for text, said in ((None, "can't be read: No such file"), ("x", "holds no certificate")):
        if text is not None:
            file.write_text(text)
        with pytest.raises(ConfigError, match=said):
            rest_of(get("binance"), VenueSettings(ca_file=str(file)))


def test_ccxt_gets_the_ca_file_as_its_own() -> None:
    api = make_ccxt(get("ccxt:binance"), VenueSettings(ca_file="/x/ca.pem"), None)
    assert api.cafile == "/x/ca.pem"


def test_a_name_is_added_to_the_certificate_and_the_ca_stays(tmp_path: Path) -> None:
    import ssl

    first = certificates.load_authority(tmp_path)
    with SandboxProcess(
        "binance", tls=True, tls_name=["api.venue.example", "other.example"], state_dir=tmp_path
    ) as sandbox:
        assert sandbox.ca_file == str(tmp_path / "sandbox" / "ca.pem")
        port = urlsplit(sandbox.hosts["binance"]["rest"]).port
        context = ssl.create_default_context(cafile=sandbox.ca_file)
        for name in ("api.venue.example", "other.example", "localhost", "127.0.0.1"):
            with (
                socket.create_connection(("127.0.0.1", port)) as plain,
                context.wrap_socket(plain, server_hostname=name) as secure,
            ):
                assert secure.version() is not None
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            context.wrap_socket(plain, server_hostname="api.else.example")
    again = certificates.load_authority(tmp_path)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.certificate == first.certificate


def test_nobody_else_reads_what_is_kept_of_the_ca(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    certificates.load_authority(folder)
    kept = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert kept == {"ca-key.pem": 0o600, "ca.pem": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_ca_that_is_about_to_expire_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "AUTHORITY_LASTS", timedelta(days=20))
        first = certificates.load_authority(tmp_path)
    again = certificates.load_authority(tmp_path)
    assert again.is_new
    assert again.certificate != first.certificate
    assert again.file.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
    certificates.server_context(again, ["x.example"])


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0o644, r"can be read by others \(mode 0644\): delete it, a new one is made"),
        ("garbage", 0o600, "is not a certificate and its key: delete it"),
    ],
)
def test_a_ca_that_can_not_be_believed_is_not_used(
    text: str | None, mode: int, said: str, tmp_path: Path
) -> None:
    certificates.load_authority(tmp_path)
    kept = tmp_path / "ca-key.pem"
    if text is not None:
        kept.write_text(text)
    kept.chmod(mode)
    with pytest.raises(ValueError, match=said):
        certificates.load_authority(tmp_path)


# Deployment files.


def writing(folder: Path) -> dict[str, Any]:
    return {"write": folder / "desk.yaml", "state_dir": folder / "state"}


def test_every_venue_has_the_same_keys_and_ports_at_every_start(tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        with SandboxProcess("all", **writing(tmp_path)) as sandbox:
            found.append([sandbox.hosts, {n: v.accounts for n, v in sandbox.venues.items()}])
    assert list(sandbox.venues) == dialects.names()
    assert found[0] == found[1]
    settings = load_settings(tmp_path / "desk.yaml")
    assert settings.deployment == "desk"
    assert settings.state_dir == str(tmp_path / "state" / "sandbox")
    for name, venue in settings.venues.items():
        assert venue.hosts == sandbox.hosts[name]
        assert venue.pairs == sandbox.venues[name].pairs
        assert load_keys(venue.accounts["default"]) == sandbox.venues[name].accounts["default"]
    kept = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("desk*")}
    assert kept == {"desk.yaml": 0o600, "desk.keys.toml": 0o600}


def test_a_deployment_lives_through_a_restart_of_the_sandbox(tmp_path: Path) -> None:
    options = {"pairs": ["BTC-USDT"], "tls": True, **writing(tmp_path)}
    with (
        SandboxProcess("binance", **options) as sandbox,
        trochil.connect(config=tmp_path / "desk.yaml", address="inline") as client,
    ):
        first = trade(client, "binance", "BTC-USDT")
        epoch = client.book("binance", "BTC-USDT").epoch
        sandbox.stop()
        sandbox.start()
        until(lambda: client.book("binance", "BTC-USDT", timeout=PATIENCE).epoch > epoch)
        second = trade(client, "binance", "BTC-USDT")
        assert int(second) > int(first)
        fills = client.market("binance").fills().to_pylist()
        assert sum(fill["amount"] for fill in fills) == D("0.02")


def test_the_second_sandbox_with_a_file_says_so(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "desk.yaml"
    with SandboxProcess("binance", "okx", **writing(tmp_path)) as sandbox:
        text = file.read_text()
        assert main(["kraken", "--write", str(file), "--port", "0"]) == 2
        assert f"another sandbox runs with {file}" in capfd.readouterr().err
        assert file.read_text() == text
        assert sandbox.admin("GET", "status")["own_errors"] == []


def test_of_those_that_start_at_once_with_a_new_file_one_has_it(tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    command = [sys.executable, "-P", "-m", "trochil.sandbox", "binance", "--write", str(file)]
    command += ["--tls", "--json", "--state-dir", str(tmp_path / "state")]
    starting = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    first_lines = [process.stdout.readline() for process in starting if process.stdout]
    (found,) = [json.loads(line)["venues"]["binance"] for line in first_lines if line]
    assert load_settings(file).venues["binance"].hosts == found["hosts"]
    reference = load_settings(file).venues["binance"].accounts["default"]
    assert load_keys(reference) == found["accounts"]["default"]
    for process in starting:
        process.terminate()
        _, error = process.communicate(timeout=PATIENCE)
        assert (process.returncode, "another sandbox runs with" in error) in ((0, False), (2, True))


def test_a_port_of_the_file_that_something_else_took_is_named(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "desk.yaml"
    with SandboxProcess("binance", **writing(tmp_path)) as sandbox:
        port = urlsplit(sandbox.hosts["binance"]["rest"]).port
    text = file.read_text()
    with socket.create_server(("127.0.0.1", port)):
        assert main(["binance", "--write", str(file)]) == 2
        assert f"binance: port {port}, which {file} names, is in use" in capfd.readouterr().err
        assert file.read_text() == text
        with SandboxProcess("binance", port=0, **writing(tmp_path)) as sandbox:
            assert (
                yaml.safe_load(file.read_text())["venues"]["binance"]["hosts"]
                == (sandbox.hosts["binance"])
            )


def test_a_file_that_was_cut_off_is_written_again(tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    with SandboxProcess("binance", **writing(tmp_path)) as sandbox:
        keys = sandbox.accounts
    text = file.read_text()
    file.write_text(text[: text.index("rest:") + 3])
    with SandboxProcess("binance", **writing(tmp_path)) as sandbox:
        assert sandbox.accounts == keys
        assert load_settings(file).venues["binance"].hosts == sandbox.hosts["binance"]


OURS = "# Written by `trochil sandbox --write`\n"


@pytest.mark.parametrize(
    ("name", "text", "mode", "said"),
    [
        ("desk.yaml", "venues: {}\n", 0o600, "desk.yaml was not written by this command"),
        ("desk.yaml", "", 0o600, "desk.yaml was not written by this command"),
        ("desk.keys.toml", "[real]\n", 0o600, "desk.keys.toml was not written by this command"),
        ("desk.keys.toml", OURS, 0o640, "can be read by others (mode 0640): delete it"),
        ("desk.keys.toml", OURS + "[kraken", 0o600, "is not valid TOML: delete it"),
        ("desk.keys.toml", OURS + "[kraken]\n", 0o600, "kraken: its keys in"),
        (
            "desk.keys.toml",
            OURS + "[kraken]\napi_key = 'a'\napi_secret = 'no base 64'\n",
            0o600,
            "is not base64: delete the table",
        ),
    ],
)
def test_a_file_that_is_not_the_commands_own_stays_as_it_is(
    name: str,
    text: str,
    mode: int,
    said: str,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    file = tmp_path / name
    file.write_text(text)
    file.chmod(mode)
    folders = ["--write", str(tmp_path / "desk.yaml"), "--state-dir", str(tmp_path / "state")]
    assert main(["kraken", *folders]) == 2
    error = capfd.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert file.read_text() == text


@pytest.mark.skipif(os.getuid() == 0, reason="root writes anywhere")
def test_a_folder_that_takes_no_file_is_named(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tmp_path.chmod(0o500)
    assert main(["kraken", "--write", str(tmp_path / "desk.yaml")]) == 2
    assert "can't be written: Permission denied" in capfd.readouterr().err
    tmp_path.chmod(0o700)


def test_a_sandbox_that_can_not_start_says_why() -> None:
    with pytest.raises(SandboxError, match="did you mean okx"):
        SandboxProcess("binance", "okk").start()
