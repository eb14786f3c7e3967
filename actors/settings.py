"""The settings of a deployment: venues, pairs, accounts (by reference), hosts, storage."""

import os
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import msgspec

from exchanges.ccxt_venue import FIELDS
from orderbook.errors import ConfigError

T = TypeVar("T")


class VenueSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One venue.

    ``accounts`` maps a name to a key reference ("env:NAME", "file:PATH#section"), never to a key.
    """

    pairs: list[str] = []
    accounts: dict[str, str] = {}
    hosts: dict[Literal["rest", "public", "private"], str] = {}
    ca_file: str = ""
    """A PEM file with certificates to trust for these hosts besides the system's; it must be on
    every node."""
    proxy: str = ""
    """The HTTP proxy by which the venue's REST and sockets are reached: "http://HOST:PORT",
    "env:NAME" for a variable with the URL on each node (the only way to give a password), "none";
    empty: what HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say on each node."""
    feed: str = ""
    """The name of another book that the venue offers; empty: its default book."""
    testnet: bool = False
    pairs_per_shard: int = 50
    capacity: int = 8192
    """Maximum levels on each side of a book."""
    whole_snapshots: bool = False
    """The venue has no levels but those of its snapshot and its messages: a recording."""
    trusted_levels: int = 500
    """A book that knows fewer levels on a side requests more, where the venue gives more."""
    levels_share: float = 0.1
    """The part of the venue's limits that such requests may take."""
    limits_scale: float = 1.0
    """How many times the documented limits the venue grants this address and account."""
    user_stream: Literal["socket", "polling"] = "socket"
    ccxt: dict[str, Any] = {}
    """Options for ccxt of a venue "ccxt:<id>" (urls, options, proxies); never a key."""

    def __post_init__(self) -> None:
        keys = sorted(FIELDS.keys() & self.ccxt.keys())
        if keys:
            raise ValueError(
                f"{', '.join(keys)} must not stand in settings: name a key reference in accounts"
            )
        if "@" in self.proxy:
            raise ValueError(
                "a proxy's password must not stand in settings: put its URL into an environment "
                'variable and write "env:NAME"'
            )
        if self.proxy not in ("", "none") and not self.proxy.startswith(
            ("http://", "https://", "env:")
        ):
            raise ValueError(
                'proxy must be "http://HOST:PORT", "https://HOST:PORT", "env:NAME" or "none"'
            )


class Settings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A deployment. Everything but the venues has a default."""

    deployment: str = "default"
    venues: dict[str, VenueSettings] = {}
    state_dir: str = "~/.trochil"
    """Where journals and the desired state are stored, in one folder per deployment."""
    journal: str = ""
    """A database URL; empty: SQLite in ``state_dir``."""
    shared_memory: str = "/dev/shm"
    actor_cpus: float = 0.1
    """CPUs that Ray reserves for each actor."""
    rules_refresh: float = 300.0
    """Seconds between two readings of a venue's trading rules, with its listings and delistings."""

    @property
    def folder(self) -> Path:
        """This deployment's folder, created private."""
        folder = Path(self.state_dir).expanduser() / self.deployment
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            what = f"state_dir {folder} can't be used: {error.strerror}"
            raise ConfigError(f"{what}; set state_dir to a writable folder") from None
        return folder

    @property
    def journal_address(self) -> str:
        return self.journal or f"sqlite:///{self.folder / 'journal.db'}"


ActorKind = Literal[
    "data_source", "order_book_tracker", "user_stream_data_source", "user_stream_tracker", "market"
]
BOOK_KINDS: tuple[ActorKind, ...] = ("data_source", "order_book_tracker")
ORDER_KINDS: tuple[ActorKind, ...] = ("user_stream_data_source", "user_stream_tracker", "market")


class ActorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One actor to run: enough to build it on any node. ``key``: a shard's number or an account."""

    kind: ActorKind
    venue: str
    key: str
    pairs: list[str] = []
    key_reference: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind}/{self.venue}/{self.key}"

    @property
    def group(self) -> str:
        """Actors of one group share a node: they communicate over its memory and sockets."""
        floor = "books" if self.kind in BOOK_KINDS else "orders"
        return f"{floor}/{self.venue}/{self.key}"

    def sibling(self, kind: str) -> str:
        return f"{kind}/{self.venue}/{self.key}"


def load_settings(source: "dict[str, Any] | str | os.PathLike[str] | Settings | None") -> Settings:
    """Settings from a dict, or a YAML or TOML file.

    Raises ConfigError, with the key and the file.
    """
    if source is None:
        return Settings()
    if isinstance(source, Settings):
        return source
    if isinstance(source, dict):
        return _convert(source, "config")
    path = Path(source)
    try:
        text = path.read_bytes()
        decode = msgspec.toml.decode if path.suffix == ".toml" else msgspec.yaml.decode
        return _convert(decode(text), str(path))
    except OSError as error:
        raise ConfigError(f"config file {path} can't be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"config file {path}: {error}") from None


def _convert(data: Any, where: str) -> Settings:
    try:
        return msgspec.convert(data, Settings)
    except msgspec.ValidationError as error:
        known = ", ".join(Settings.__struct_fields__)
        raise ConfigError(
            f"{where}: {error}; known keys: {known}; of a venue: {_venue_keys()}"
        ) from None


def _venue_keys() -> str:
    return ", ".join(VenueSettings.__struct_fields__)


def to_dict(settings: msgspec.Struct) -> dict[str, Any]:
    """As builtins, to be passed between actors."""
    return cast(dict[str, Any], msgspec.to_builtins(settings))
