"""Inside a network namespace: a sandbox with TLS under a venue's names, and a client that knows
only these. Run by ``running.run_client_by_names``."""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from tests.foreign.running import client_variables
from trochil.sandbox.process import SandboxProcess

SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1
HTTPS = 443
CA_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
)


def main() -> int:
    scene: dict[str, Any] = json.loads(sys.argv[1])
    bring_loopback_up()
    with tempfile.TemporaryDirectory(prefix="trochil-scene-") as folder:
        hosts = Path(folder) / "hosts"
        hosts.write_text("".join(f"127.0.0.1 {n}\n" for n in ["localhost", *scene["names"]]))
        bind(hosts, Path("/etc/hosts"))
        sandbox = SandboxProcess(
            scene["exchange"], seed=7, port=HTTPS, tls=True, tls_name=scene["names"]
        )
        with sandbox:
            for port in scene["ports"]:
                threading.Thread(target=forward, args=(port,), daemon=True).start()
            return run(scene, sandbox, Path(folder))


def run(scene: dict[str, Any], sandbox: SandboxProcess, folder: Path) -> int:
    """The client's script, which trusts the sandbox's CA besides all others."""
    assert sandbox.ca_file is not None
    bundle = trust(scene["python"], Path(sandbox.ca_file), folder)
    variables = client_variables(sandbox, scene["seconds"])
    variables |= dict.fromkeys(CA_VARIABLES, str(bundle))
    command = [scene["python"], "-P", scene["script"]]
    return subprocess.run(command, env=os.environ | variables).returncode


def bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", IFF_UP)
        fcntl.ioctl(control, SIOCSIFFLAGS, request)


def bind(file: Path, over: Path) -> None:
    """``file`` in the place of ``over``, in this namespace alone."""
    subprocess.run(["mount", "--bind", file, over], check=True)


def trust(python: str, ca_file: Path, folder: Path) -> Path:
    """The client's bundle of certificates (certifi's, where it has that) with the sandbox's CA, in
    the place of its own."""
    where = "import certifi; print(certifi.where())"
    found = subprocess.run([python, "-c", where], capture_output=True, text=True)
    bundle = folder / "bundle.pem"
    its_own = Path(found.stdout.strip()) if found.returncode == 0 else None
    text = its_own.read_text() if its_own is not None else ""
    bundle.write_text(text + "\n" + ca_file.read_text())
    if its_own is not None:
        bind(bundle, its_own)
    return bundle


def forward(port: int) -> None:
    """Another port of the venue's leads to the sandbox too."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            client, _ = listener.accept()
            venue = socket.create_connection(("127.0.0.1", HTTPS))
            for source, target in ((client, venue), (venue, client)):
                threading.Thread(target=pipe, args=(source, target), daemon=True).start()


def pipe(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                end.close()


if __name__ == "__main__":
    sys.exit(main())
