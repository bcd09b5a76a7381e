"""HTTP with keep-alive over aiohttp: the part of the client that runs for every judgment, kept short."""

import contextlib
import ipaddress
import urllib.parse
import urllib.request
from typing import NamedTuple

import aiohttp
from yarl import URL


class Reply(NamedTuple):
    status: int
    body: bytes
    retry_after: str | None = None


class ConnectionFailedError(Exception):
    """No connection (refused, no such host, no route), or one that broke before or in the middle of the answer."""


class Transport:
    """Requests to one server; to be made inside the event loop that uses it. It sets no time limit of its own."""

    def __init__(
        self, base_url: str, headers: dict[str, str], *, chat: str = "chat/completions", models: str = "models"
    ):
        root = base_url.removesuffix("/v1")
        self._urls = {
            "chat": URL(f"{base_url}/{chat}"),
            "models": URL(f"{base_url}/{models}", encoded=True),
            "tokenize": URL(f"{root}/tokenize"),
            "health": URL(f"{root}/health"),
        }
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
                "User-Agent": "nlparam",
                **headers,
            },
            proxy=_proxy(base_url),
        )

    async def send(self, what: str, body: bytes | None = None) -> Reply:
        """Posts `body` to one of the pages, or gets the page without one. Raises `ConnectionFailedError`."""
        try:
            method = "GET" if body is None else "POST"
            async with self._session.request(method, self._urls[what], data=body) as response:
                return Reply(response.status, await response.read(), response.headers.get("Retry-After"))
        except aiohttp.ClientConnectorError as error:
            raise ConnectionFailedError(str(error.os_error or error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionFailedError(str(error) or type(error).__name__) from error

    async def aclose(self) -> None:
        await self._session.close()


def _proxy(url: str) -> str | None:
    """The proxy of the environment, looked up once: aiohttp's own look-up is repeated for every request."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    with contextlib.suppress(ValueError):  # a name
        if ipaddress.ip_address(host).is_loopback:
            return None
    if host == "localhost" or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)
