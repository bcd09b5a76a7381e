"""A real server, in a process of its own, that speaks the OpenAI chat API and misbehaves as it is told.

`python -m tests.helpers.faulty_server --port 0` prints its address. Faults come from the command line or,
while it runs, from `POST /control`; `GET /control` tells what the server has seen. `FaultyServer` starts, controls and
kills one.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.helpers.faulty_rules import Faulty, error_of, reply


async def _serve(options: argparse.Namespace) -> None:
    faulty = Faulty(options)
    server: asyncio.Server | None = None
    writers: set[asyncio.StreamWriter] = set()
    port: int = options.port

    async def listen() -> None:
        nonlocal server, port
        server = await asyncio.start_server(handle, "127.0.0.1", port, backlog=512)
        port = server.sockets[0].getsockname()[1]

    async def refuse(seconds: float) -> None:
        """Closes every connection and the door, for a while."""
        assert server is not None
        server.close()
        for writer in list(writers):
            writer.transport.abort()
        await asyncio.sleep(seconds)
        await listen()

    def told(body: dict) -> None:
        faulty.faults += [(kind, times) for kind, times in body.pop("faults", [])]
        if "refuse" in body:
            tasks.append(asyncio.create_task(refuse(body.pop("refuse"))))
        for name, value in body.items():
            setattr(faulty, name, value)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        stays = True
        try:
            while stays:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, path = head.split(" ", 2)[:2]
                length = int(head.lower().partition("content-length:")[2].partition("\r\n")[0] or 0)
                body = json.loads(await reader.readexactly(length) or b"{}")
                match method, path:
                    case "POST", "/v1/chat/completions":
                        stays = await faulty.complete(body, writer)
                    case "POST", "/tokenize":
                        stays = await reply(writer, *faulty.tokenize(body))
                    case "GET", "/v1/models":
                        stays = await reply(writer, 200, faulty.models())
                    case "GET", "/health":
                        stays = await reply(writer, 200 if faulty.healthy else 503, {})
                    case "GET", "/control":
                        stays = await reply(writer, 200, faulty.state())
                    case "POST", "/control":
                        await reply(writer, 200, {})
                        told(body)
                    case _:
                        stays = await reply(writer, 404, error_of("no such page"))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writers.discard(writer)
            writer.transport.abort() if not stays else writer.close()

    tasks: list[asyncio.Task] = []
    await listen()
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    await asyncio.Event().wait()


class FaultyServer:
    """Runs the server as a process: `with FaultyServer("--style", "vllm") as server: ServerModel(server.url)`."""

    def __init__(self, *arguments: str, log: Path | None = None):
        self._arguments = [*arguments, *(["--log", str(log)] if log is not None else [])]
        self.url, self.log = "", log
        self._port = 0

    def __enter__(self) -> "FaultyServer":
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    def start(self, *arguments: str) -> None:
        """On the same port, when it has run before."""
        command = [
            sys.executable,
            "-m",
            "tests.helpers.faulty_server",
            "--port",
            str(self._port),
            *self._arguments,
            *arguments,
        ]
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self._port = int(self.url.rpartition(":")[2].partition("/")[0])

    def kill(self) -> None:
        """With SIGKILL: it says goodbye to nobody."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Hangs as a whole: connections are accepted by the kernel, and nothing answers."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def tell(self, *faults: tuple[str, int], **settings: object) -> None:
        """`faults` are kinds with how many completions they concern, one after another; "none" is no fault."""
        body = json.dumps({"faults": faults, **settings}).encode()
        request = urllib.request.Request(self._control, data=body, method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def state(self) -> dict:
        with urllib.request.urlopen(self._control, timeout=10) as answer:
            return json.loads(answer.read())

    def bodies_sent(self) -> list[dict]:
        """The completions asked for, by the server's own record."""
        return self.state()["bodies"]

    @property
    def _control(self) -> str:
        return self.url.removesuffix("/v1") + "/control"

    def calls(self) -> list[str]:
        """The prompts received, by the log: those of a killed server too."""
        return self._logged("+ ")

    def finished(self) -> list[str]:
        """The prompts answered without a fault, by the log."""
        return self._logged("- ")

    def _logged(self, sign: str) -> list[str]:
        assert self.log is not None
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line[2:] for line in lines if line.startswith(sign)]

    def wait_for(self, n: int, *, seconds: float = 60.0) -> None:
        """Until `n` prompts were answered."""
        deadline = time.monotonic() + seconds
        while len(self.finished()) < n:
            assert time.monotonic() < deadline, f"{len(self.finished())} of {n} answered"
            time.sleep(0.002)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="a server that misbehaves as it is told")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", default="faulty-model")
    parser.add_argument("--style", choices=("vllm", "old", "llama", "openai"), default="old")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--capacity", type=int, default=0, help="completions worked on at once; 0: no limit")
    parser.add_argument("--queue", type=int, default=0, help="more at once are turned away with 429; 0: no limit")
    parser.add_argument("--max-logprobs", type=int, default=20)
    parser.add_argument("--max-words", type=int, default=1_000_000)
    parser.add_argument("--thinks", choices=("aloud", "parsed"), help="begin with <think>, or fill reasoning_content")
    parser.add_argument("--faults", nargs="*", default=[])
    asyncio.run(_serve(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
