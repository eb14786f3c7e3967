"""The way out of a network that reaches a venue through a proxy only. No text of ours shows a
password of one."""

import os
import re
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from orderbook.errors import ConfigError, Disconnected

NONE = "none"
"""The setting for: no proxy, whatever the environment says."""
REFERENCE = "env:"
SCHEMES = ("http://", "https://")
LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")
_CREDENTIALS = re.compile(r"//[^/\s@]*@")


def proxy_by_setting(setting: str) -> str:
    """What a venue's setting ``proxy`` means on this node: a URL, "none", or empty for the
    environment's.

    Raises ConfigError for a variable that isn't set here, or that has no URL of a proxy.
    """
    if setting in ("", NONE):
        return setting
    if not setting.startswith(REFERENCE):
        return _checked(setting, "the setting")
    name = setting.removeprefix(REFERENCE)
    found = os.environ.get(name, "")
    if not found:
        raise ConfigError(f"proxy: {name} is not set in the environment of this node")
    return _checked(found, name)


def _checked(url: str, where: str) -> str:
    if not is_proxy(url):
        raise ConfigError(f"proxy: {where} must be http://HOST:PORT or https://HOST:PORT")
    return url


def is_proxy(url: str) -> bool:
    """Whether a text is the URL of an HTTP proxy."""
    try:
        parts = urlsplit(url)
        return url.startswith(SCHEMES) and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def proxy_for(url: str, proxy: str) -> str | None:
    """The URL of the proxy by which to reach ``url``; None: directly.

    ``proxy``: of ``proxy_by_setting``. Where it is empty, HTTPS_PROXY (for https and wss),
    HTTP_PROXY (for http and ws), ALL_PROXY and NO_PROXY decide, in either case; this machine's own
    addresses are reached directly then, and proxies of other kinds than HTTP are passed over.
    Raises Disconnected for a URL there that can't be read.
    """
    if proxy:
        return None if proxy == NONE else proxy
    target = urlsplit(url)
    host = target.hostname or ""
    proxies = getproxies_environment()
    kind = "https" if target.scheme in ("https", "wss") else "http"
    found = proxies.get(kind) or proxies.get("all") or ""
    if not found.startswith(SCHEMES) or LOOPBACK.fullmatch(host):
        return None
    if not is_proxy(found):
        raise Disconnected(f"{host}: the proxy that the environment names has no readable URL")
    bypassed = proxy_bypass(target.netloc.rpartition("@")[2], proxies)
    return None if bypassed else found


def without_credentials(text: str) -> str:
    """A text with what stands before the @ of its URLs left out."""
    return _CREDENTIALS.sub("//***@", text)
