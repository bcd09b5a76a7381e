"""A real server, in a process of its own, that speaks the OpenAI chat API, checks the images it gets, and sees them.

`python -m tests.helpers.vision_server` prints its address. It refuses a message whose image parts are not as OpenAI
describes them, decodes the others with Pillow, and answers from what is in the picture: the mean colour of its upper
and of its lower half. `GET /seen` tells what it was sent. `VisionServer` starts and stops one.
"""

import argparse
import base64
import binascii
import hashlib
import io
import json
import math
import re
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

COLOURS = {
    "red": (220, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 220), "yellow": (230, 220, 30), "white": (250,) * 3,
    "black": (10,) * 3,
}  # fmt: skip
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}
_DATA_URL = re.compile(r"data:(?P<type>[a-z]+/[a-z]+);base64,(?P<data>[A-Za-z0-9+/]+=*)")


class Refused(Exception):
    """What is wrong with a request; `status` is that of the answer."""

    def __init__(self, said: str, status: int = 400):
        super().__init__(said)
        self.status = status


class Vision:
    """The rules of the server, and what it has seen.

    **Arguments:** `max_side`, more pixels than these are refused; `refuses`, "images": it reads text only (and says so
    with status 500, as llama-server does); `silent`, a colour at which it declines to describe an image.
    """

    def __init__(self, *, max_side: int = 512, refuses: str = "", silent: str = "", log: Path | None = None):
        self.max_side, self.refuses, self.silent, self.log = max_side, refuses, silent, log
        self.lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.images: Counter[str] = Counter()  # by the digest of what was sent
        self.sizes: set[tuple[int, int]] = set()
        self.details: set[str] = set()
        self.problems: list[str] = []

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        message = body["messages"][-1]
        if any(isinstance(other["content"], list) for other in body["messages"] if other["role"] != "user"):
            raise Refused("images belong to the user's messages")
        if isinstance(message["content"], str):
            text, image = message["content"], None
        else:
            text, image = self._parts(message["content"])
        kind = "judgments" if body.get("logprobs") else "captions" if image is not None else "texts"
        with self.lock:
            self.calls[kind] += 1
            if self.log is not None:
                with self.log.open("a") as file:
                    file.write(f"{kind}\n")
        if body.get("logprobs"):
            yes = _holds(text, image)
            top = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in (("yes", yes), ("no", 1 - yes))]
            top.sort(key=lambda entry: -entry["logprob"])
            logprobs = {"content": [{**top[0], "top_logprobs": top}]}
            return self._answer(body, top[0]["token"], logprobs)
        if image is None:
            return self._answer(body, _proposals(text))
        upper, lower = image
        if "red or blue" in text:
            return self._answer(body, f"{upper.title()}.")
        if self.silent in (upper, lower) and self.silent:
            return self._answer(body, "I'm sorry, I can't describe this image.")
        plain = f"A plain {upper} image." if upper == lower else f"A picture that is {upper} above and {lower} below."
        return self._answer(body, plain)

    def _parts(self, parts: list[dict[str, Any]]) -> tuple[str, tuple[str, str]]:
        if self.refuses == "images":
            raise Refused("image input is not supported - hint: you may need to provide the mmproj", 500)
        kinds = [part.get("type") for part in parts]
        if kinds != ["image_url", "text"]:
            raise Refused(f"got parts of the types {kinds}, expected the image first and the text last")
        where = parts[0]["image_url"]
        if not isinstance(where, dict) or set(where) - {"url", "detail"}:
            raise Refused(f"image_url has the fields {list(where)}")
        if where.get("detail", "auto") not in ("auto", "low", "high"):
            raise Refused(f"detail is {where['detail']!r}")
        match = _DATA_URL.fullmatch(where["url"])
        if match is None or match["type"] not in _FORMATS:
            raise Refused(f"not a data URL of an image: {where['url'][:40]!r}")
        try:
            data = base64.b64decode(match["data"], validate=True)
            with Image.open(io.BytesIO(data)) as image:
                image.load()
        except (binascii.Error, OSError) as error:
            raise Refused(f"cannot decode the image: {error}") from error
        if image.format != _FORMATS[match["type"]]:
            raise Refused(f"the image is {image.format}, its media type says {match['type']}")
        if max(image.size) > self.max_side or min(image.size) < 28:
            raise Refused(f"the image has {image.size} pixels")
        if len(image.getexif()) or image.info.keys() & {"exif", "xmp", "comment", "icc_profile"}:
            raise Refused("the image carries metadata")
        with self.lock:
            self.images[hashlib.sha256(data).hexdigest()] += 1
            self.sizes.add(image.size)
            self.details.add(where.get("detail", "auto"))
        return parts[1]["text"], seen(image)

    def _answer(self, body: dict[str, Any], text: str, logprobs: dict | None = None) -> dict[str, Any]:
        choice = {"index": 0, "finish_reason": "stop", "logprobs": logprobs}
        choice["message"] = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": 100, "completion_tokens": len(text.split()), "total_tokens": 100}
        return {
            "id": "v", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice],
            "usage": usage,
        }  # fmt: skip

    def seen(self) -> dict[str, Any]:
        return {
            "calls": self.calls, "images": self.images, "sizes": sorted(self.sizes), "details": sorted(self.details),
            "problems": self.problems,
        }  # fmt: skip


def seen(image: Image.Image) -> tuple[str, str]:
    """The colours of the upper and the lower half of an image."""
    halves = image.convert("RGB").resize((1, 2), Image.Resampling.BOX)
    return _colour(halves.getpixel((0, 0))), _colour(halves.getpixel((0, 1)))


def _colour(pixel: Any) -> str:
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLOURS[name], pixel, strict=True)))


def _holds(text: str, image: tuple[str, str] | None) -> float:
    """Whether a property holds: of the image that is there, else of the caption in the text."""
    shown, _, question = text.rpartition("Property")
    named = re.findall("|".join(COLOURS), question)
    there = " ".join(image) if image is not None else shown
    # The place counts where the property names one.
    if image is not None and "above" in question:
        there = image[0]
    return 0.9 if named and all(name in there for name in named) else 0.1


def _proposals(text: str) -> str:
    """Properties of what the texts in a prompt speak of: the colours."""
    named = dict.fromkeys(re.findall(r"\b(?:" + "|".join(COLOURS) + r")\b", text))
    return json.dumps([f"is mostly {name}" for name in named] or ["is a picture"])


def _handler(vision: Vision) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if self.path == "/seen":
                self._reply(200, vision.seen())
            elif self.path == "/v1/models":
                self._reply(200, {"object": "list", "data": [{"id": "vision", "object": "model"}]})
            else:
                self._reply(404, {"error": {"message": "no such page"}})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/v1/chat/completions":
                self._reply(404, {"error": {"message": "no such page"}})
                return
            try:
                self._reply(200, vision.complete(body))
            except Refused as error:
                with vision.lock:
                    vision.problems.append(str(error))
                self._reply(error.status, {"error": {"message": str(error), "type": "invalid_request_error"}})

        def _reply(self, status: int, content: dict) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    return Handler


class VisionServer:
    """Runs the server as a process: `with VisionServer("--max-side", "256") as server: ServerModel(server.url)`."""

    def __init__(self, *arguments: str):
        self._arguments = arguments
        self.url = ""

    def __enter__(self) -> "VisionServer":
        command = [sys.executable, "-m", "tests.helpers.vision_server", *self._arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def seen(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/seen", timeout=10) as answer:
            return json.loads(answer.read())


def write_image(
    path: Path,
    upper: str,
    lower: str | None = None,
    *,
    size: tuple[int, int] = (60, 60),
    shade: int = 0,
    **options: Any,
) -> Path:
    """An image file in one or two colours; `shade` makes it another image that looks the same."""
    width, height = size
    pixel = [tuple(max(0, value - shade) for value in COLOURS[name]) for name in (upper, lower or upper)]
    image = Image.new("RGB", size, pixel[0])
    image.paste(pixel[1], (0, height // 2, width, height))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="a server that sees the images it is sent")
    parser.add_argument("--max-side", type=int, default=512)
    parser.add_argument("--refuses", choices=("", "images"), default="")
    parser.add_argument("--silent", default="", help="a colour of images that it does not describe")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    vision = Vision(max_side=options.max_side, refuses=options.refuses, silent=options.silent, log=options.log)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(vision))
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
