"""A real HTTP server that speaks as a service with a name does, by its documentation, its errors included.

`with SpokenService("anthropic") as server:` is asked by `nlparam.lm` once `server.variables` are in the environment.
What it answers depends on the question alone: yes if the text has the last word of the property.
"""

import json
import math
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test-0123456789"
# What OpenAI's reasoning models, and some others, refuse; and what Anthropic's API does not know.
_MESSAGES_FIELDS = {"model", "max_tokens", "messages", "system", "temperature", "stop_sequences", "metadata"}
Reply = tuple[int, dict[str, Any], dict[str, str]]


def answer_to(question: str) -> str:
    """Yes or no to a judgment, a phrase to anything else."""
    text, _, rest = question.partition("\n\nProperty: ")
    if not rest:
        return "is about " + " ".join(question.split()[:3])
    return "Yes" if rest.removesuffix(". Yes or no?").split()[-1] in text else "No"


class SpokenService:
    """**Arguments:** `name` of the service; `model`, the one it has; `thinks`: whether that is a reasoning model;
    `logprobs`: whether it gives them; `errors`: replies (status, body, headers) to the first completions; `says`: its
    answer to a question.

    `calls` are the bodies of completions, `paths` all that was asked for, `headers_seen` the headers of completions.
    """

    def __init__(
        self,
        name: str,
        *,
        model: str = "model-1",
        thinks: bool = False,
        logprobs: bool = True,
        errors: tuple[Reply, ...] = (),
        says: Callable[[str], str] = answer_to,
    ):
        self.name, self.model, self.thinks, self.logprobs = name, model, thinks, logprobs
        self.errors, self.says = list(errors), says
        self.calls: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers_seen: list[dict[str, str]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which this server is the service."""
        root = f"http://127.0.0.1:{self.port}"
        return {
            "openai": {"OPENAI_BASE_URL": f"{root}/v1", "OPENAI_API_KEY": KEY},
            "anthropic": {"ANTHROPIC_BASE_URL": root, "ANTHROPIC_API_KEY": KEY},
            "openrouter": {"OPENROUTER_BASE_URL": f"{root}/api/v1", "OPENROUTER_API_KEY": KEY},
            "ollama": {"OLLAMA_HOST": f"127.0.0.1:{self.port}"},
        }[self.name]

    def __enter__(self) -> "SpokenService":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def get(self, path: str, headers: dict[str, str]) -> Reply:
        """The pages that list models. OpenRouter shows them to everybody, Ollama has no keys."""
        self.paths.append(path)
        if self.name not in ("openrouter", "ollama") and not self._allowed(headers):
            return self._wrong_key()
        if self.name == "anthropic":
            if path == f"/v1/models/{self.model}":
                return 200, {"type": "model", "id": f"{self.model}-20260101", "display_name": self.model}, {}
            return self._unknown(path.rpartition("/")[2])
        root = "/api/v1" if self.name == "openrouter" else "/v1"
        listed = f"{self.model}:latest" if self.name == "ollama" else self.model
        if path != f"{root}/models":
            return 404, {"error": {"message": "404 page not found"}}, {}
        return 200, {"object": "list", "data": [{"id": listed, "object": "model"}]}, {}

    def post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        self.paths.append(path)
        with self._lock:
            self.calls.append(body)
            self.headers_seen.append(headers)
            error = self.errors.pop(0) if self.errors else None
        if self.name != "ollama" and not self._allowed(headers):
            return self._wrong_key()
        if error is not None:
            return error
        chats = {"anthropic": "/v1/messages", "openrouter": "/api/v1/chat/completions"}
        if path != chats.get(self.name, "/v1/chat/completions"):
            return 404, {"error": {"message": "404 page not found"}}, {}
        return (self._messages if self.name == "anthropic" else self._chat)(body)

    def _allowed(self, headers: dict[str, str]) -> bool:
        if self.name == "anthropic":
            return headers.get("x-api-key") == KEY and bool(headers.get("anthropic-version"))
        return headers.get("authorization") == f"Bearer {KEY}"

    def _wrong_key(self) -> Reply:
        if self.name == "anthropic":
            return 401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}, {}
        said = f"Incorrect API key provided: {KEY[:-1]}x. You can find your API key at https://platform.openai.com."
        return 401, {"error": {"message": said, "type": "invalid_request_error", "code": "invalid_api_key"}}, {}

    def _unknown(self, model: str) -> Reply:
        return 404, {"type": "error", "error": {"type": "not_found_error", "message": f"model: {model}"}}, {}

    def _messages(self, body: dict[str, Any]) -> Reply:
        def refused(message: str) -> Reply:
            return 400, {"type": "error", "error": {"type": "invalid_request_error", "message": message}}, {}

        if unknown := sorted(body.keys() - _MESSAGES_FIELDS):
            return refused(f"{unknown[0]}: Extra inputs are not permitted")
        if "max_tokens" not in body:
            return refused("max_tokens: Field required")
        if any(message["role"] not in ("user", "assistant") for message in body["messages"]):
            return refused(
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter'
            )
        if self.thinks and "temperature" in body:
            return refused("`temperature` is deprecated for this model.")
        content = body["messages"][-1]["content"]
        blocks = [] if isinstance(content, str) else content
        if any(block["type"] == "image" and block["source"]["type"] != "base64" for block in blocks):
            return refused("messages.0.content.0.image.source: Input should be a valid source")
        said = self.says(content if isinstance(content, str) else content[-1]["text"])
        usage = {"input_tokens": 11, "cache_read_input_tokens": 2, "output_tokens": len(said.split())}
        return (
            200,
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": [{"type": "text", "text": said}],
                "stop_reason": "end_turn",
                "usage": usage,
            },
            {},
        )

    def _chat(self, body: dict[str, Any]) -> Reply:
        if self.name == "ollama":  # it passes over what it does not know
            limit = body.get("max_tokens", math.inf)
        elif "chat_template_kwargs" in body:
            return _refused("Unrecognized request argument supplied: chat_template_kwargs")
        else:
            limit = body.get("max_completion_tokens", body.get("max_tokens", math.inf))
        if self.thinks and self.name == "openai" and (error := self._reasoning_error(body, limit)):
            return error
        if body.get("logprobs") and not self.logprobs and self.name == "openrouter":
            assert body["provider"] == {"require_parameters": True}
            return (
                404,
                {"error": {"code": 404, "message": "No endpoints found that can handle the requested parameters."}},
                {},
            )
        said = self.says(body["messages"][-1]["content"])
        message: dict[str, Any] = {"role": "assistant", "content": said}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
        if body.get("logprobs") and self.logprobs:
            other = "No" if said == "Yes" else "Yes"
            top = [{"token": said, "logprob": math.log(0.75)}, {"token": other, "logprob": math.log(0.25)}]
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top[: body["top_logprobs"]]}]}
        if self.thinks and body.get("reasoning_effort") != "none":
            message |= {"content": "", "reasoning": "Let me see."} if limit < 100 else {}
            choice["finish_reason"] = "length" if limit < 100 else "stop"
            choice.pop("logprobs", None)
        usage = {"prompt_tokens": 11, "completion_tokens": 1, "total_tokens": 12}
        return (
            200,
            {"id": "1", "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage},
            {},
        )

    def _reasoning_error(self, body: dict[str, Any], limit: float) -> Reply | None:
        """What OpenAI says of fields that its reasoning models do not take."""
        if body.get("logprobs"):
            said = "You are not allowed to request logprobs from this model"
            return 403, {"error": {"message": said, "type": "invalid_request_error", "param": None, "code": None}}, {}
        if "max_tokens" in body:
            return _refused(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
                "instead."
            )
        if body.get("temperature", 1) != 1:
            return _refused(
                "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is "
                "supported."
            )
        if body.get("reasoning_effort") not in (None, "minimal", "low", "medium", "high"):
            return _refused(
                f"Unsupported value: 'reasoning_effort' does not support '{body['reasoning_effort']}' with this model. "
                "Supported values are: 'minimal', 'low', 'medium', and 'high'."
            )
        if limit < 100:
            return _refused(
                "Could not finish the message because max_tokens or model output limit was reached. Please try again "
                "with higher max_tokens."
            )
        return None


def _refused(message: str) -> Reply:
    return 400, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}, {}


def _handler(service: SpokenService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._reply(service.get(self.path, self._headers()))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._reply(service.post(self.path, body, self._headers()))

        def _headers(self) -> dict[str, str]:
            return {name.lower(): value for name, value in self.headers.items()}

        def _reply(self, reply: Reply) -> None:
            status, content, headers = reply
            data = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {
                **headers,
                "Content-Type": "application/json",
                "Content-Length": str(len(data)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    return Handler
