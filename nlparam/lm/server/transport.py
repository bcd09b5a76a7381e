"""HTTP with keep-alive over aiohttp: the part of the client that runs for every judgment, kept short."""

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


class NotConnectedError(Exception):
    """No connection: refused, no such host, no route."""


class ConnectionLostError(Exception):
    """A connection was there and broke: before the answer, or in the middle of it."""


class Transport:
    """Requests to one server; to be made inside the event loop that uses it. It sets no time limit of its own."""

    def __init__(self, base_url: str, headers: dict[str, str]):
        root = base_url.removesuffix("/v1")
        self._urls = {
            "chat": URL(f"{base_url}/chat/completions"),
            "models": URL(f"{base_url}/models"),
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

    async def get(self, what: str) -> Reply:
        return await self._send("GET", what, None)

    async def post(self, what: str, body: bytes) -> Reply:
        return await self._send("POST", what, body)

    async def aclose(self) -> None:
        await self._session.close()

    async def _send(self, method: str, what: str, body: bytes | None) -> Reply:
        try:
            async with self._session.request(method, self._urls[what], data=body) as response:
                content = await response.read()
                return Reply(response.status, content, response.headers.get("Retry-After"))
        except aiohttp.ClientConnectorError as error:
            raise NotConnectedError(str(error.os_error or error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLostError(str(error) or type(error).__name__) from error


def _proxy(url: str) -> str | None:
    """The proxy of the environment, looked up once: aiohttp's own look-up is repeated for every request."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost" or _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
