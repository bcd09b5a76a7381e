"""Addresses of servers: what a user may write, and what is derived from it."""

import base64
import urllib.parse

from nlparam.errors import LanguageModelError


def complete_url(url: str) -> str:
    """The address with `/v1` where it has no path; raises `LanguageModelError` for one that cannot be used."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, a bracket that is not closed
        parts, usable = None, False
    if parts is None or not usable:
        raise LanguageModelError(f"got the server address {url!r}, expected one like http://localhost:8000/v1")
    return urllib.parse.urlunsplit(parts._replace(path=parts.path.rstrip("/") or "/v1"))


def without_password(url: str) -> tuple[str, dict[str, str]]:
    """The address as messages may show it, and the header that carries the user and password it held."""
    parts = urllib.parse.urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    if not credentials:
        return url, {}
    encoded = base64.b64encode(urllib.parse.unquote_to_bytes(credentials)).decode()
    return urllib.parse.urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {encoded}"}


def how_to_start(base_url: str, model: str | None) -> str:
    """Two commands that would start a server at this address."""
    port = urllib.parse.urlsplit(base_url).port or 8000
    return (
        f"start a server with `vllm serve {model or 'MODEL'} --port {port}` or "
        f"`llama-server -m MODEL.gguf --port {port}`"
    )
