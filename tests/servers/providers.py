"""The model providers, as far as asking them whether a key works: each with its own address, header, list and refusals.

What they do was taken from their references and from reports of their behaviour: OpenRouter's `/models` is public and
answers 200 to any key, its `/key` does not; xAI and Google refuse a wrong key with 400, the others with 401.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, TypeAlias

from tests.servers.local import LocalServer, Received, Reply, json_reply

Mode: TypeAlias = Literal["ok", "unauthorized", "forbidden", "limited", "broken", "slow", "garbage", "huge", "redirect"]

ANTHROPIC_VERSION: Final = "2023-06-01"
RETRY_AFTER: Final = 17
HUGE: Final = 64 * 1024 * 1024


class ProviderServer(LocalServer):
    """One provider. It takes the keys in `keys` (any, when empty) and otherwise behaves as `mode` says."""

    name: str
    base_path: str
    """What a base URL ends with at this provider."""
    private_paths: tuple[str, ...]
    """Paths beneath it that need a key."""
    public_paths: tuple[str, ...] = ()

    def __init__(self, *keys: str) -> None:
        super().__init__()
        self.keys = set(keys)
        self.mode: Mode = "ok"
        self.delay = 60.0
        """Seconds that the mode `slow` takes."""
        self.models: list[str] = []

    @property
    def base_url(self) -> str:
        """The address to configure in place of the provider's own."""
        return self.url + self.base_path

    @property
    def seen_keys(self) -> list[str]:
        """The credentials that came in, one a request, empty where there was none."""
        return [self.key_of(request) for request in self.received]

    def answer(self, request: Received) -> Reply:
        """The answer to a call, by path, mode and key."""
        path = request.path.removeprefix(self.base_path)
        if request.path == "/elsewhere":
            return json_reply({"data": [], "models": []})
        if not request.path.startswith(self.base_path) or path not in {*self.private_paths, *self.public_paths}:
            return self.refusal(404, "not_found", f"Invalid URL ({request.method} {request.path})")
        if "key" in request.query or "api_key" in request.query:
            return self.refusal(400, "key_in_address", "Keys in the address end up in logs; send the header.")
        if self.mode != "ok":
            return self._misbehave()
        if path in self.private_paths and not self._accepts(request):
            return self.unknown_key(self.key_of(request))
        return json_reply(self.listing(path))

    def key_of(self, request: Received) -> str:
        """The credential of a request: by default a bearer token."""
        scheme, _, token = request.header("Authorization").partition(" ")
        return token if scheme.lower() == "bearer" else ""

    def listing(self, path: str) -> dict[str, Any]:
        """The body of a successful answer."""
        raise NotImplementedError

    def refusal(self, status: int, code: str, message: str, **headers: str) -> Reply:
        """A refusal in this provider's shape."""
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        return json_reply({"error": error}, status, **headers)

    def unknown_key(self, key: str) -> Reply:
        """The refusal of a key that this provider did not give out, which repeats part of it as the real ones do."""
        return self.refusal(401, "invalid_api_key", f"Incorrect API key provided: {key[:8]}***{key[-4:]}.")

    def _accepts(self, request: Received) -> bool:
        key = self.key_of(request)
        return bool(key) and (not self.keys or key in self.keys)

    def _misbehave(self) -> Reply:
        if self.mode == "slow":
            self.stopping.wait(self.delay)
            return json_reply(self.listing(self.private_paths[0]))
        replies: dict[str, Callable[[], Reply]] = {
            "unauthorized": lambda: self.unknown_key("whatever-it-was"),
            "forbidden": lambda: self.refusal(403, "permission_denied", "Your key may not do this."),
            "limited": lambda: self.refusal(429, "rate_limit_exceeded", "Slow down.", Retry_After=str(RETRY_AFTER)),
            "broken": lambda: self.refusal(500, "server_error", "The server had an error."),
            "garbage": lambda: Reply(200, b'<html>{"data": [', {"Content-Type": "text/html"}),
            "huge": lambda: Reply(200, _endless(), {"Content-Type": "application/json"}),
            # Another host name of the same machine: whoever follows with the key attached has given it away.
            "redirect": lambda: Reply(302, headers={"Location": f"http://localhost:{self.port}/elsewhere"}),
        }
        return replies[self.mode]()


class OpenAI(ProviderServer):
    """api.openai.com/v1: bearer token."""

    name = "openai"
    base_path = "/v1"
    private_paths = ("/models",)
    owner = "openai"

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.models = ["gpt-4o", "gpt-4o-mini", "o3-mini"]

    def listing(self, path: str) -> dict[str, Any]:
        """OpenAI's list."""
        models = [{"id": id_, "object": "model", "created": 1715367049, "owned_by": self.owner} for id_ in self.models]
        return {"object": "list", "data": models}


class XAI(OpenAI):
    """api.x.ai/v1: OpenAI's shapes, but a wrong key is a 400 with a bare string as `error`."""

    name = "xai"
    owner = "xai"

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.models = ["grok-2-1212", "grok-4"]

    def refusal(self, status: int, code: str, message: str, **headers: str) -> Reply:
        """xAI's shape of a refusal."""
        return json_reply({"code": code, "error": message}, status, **headers)

    def unknown_key(self, key: str) -> Reply:
        """400, or 401 without a key."""
        if not key:
            return self.refusal(401, "Unauthenticated", "No API key provided.")
        message = f"Incorrect API key provided: {key[:2]}***{key[-2:]}. You can obtain an API key from the console."
        return self.refusal(400, "Client specified an invalid argument", message)


class OpenRouter(ProviderServer):
    """openrouter.ai/api/v1: bearer token. `/models` is public, `/key` and `/models/user` are not."""

    name = "openrouter"
    base_path = "/api/v1"
    private_paths = ("/key", "/auth/key", "/models/user")
    public_paths = ("/models",)

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.models = ["openai/gpt-4o", "anthropic/claude-3.7-sonnet", "x-ai/grok-4"]

    def listing(self, path: str) -> dict[str, Any]:
        """The key's own figures, or the models."""
        if path.endswith("/key"):
            limits = {"limit": None, "limit_remaining": None, "usage": 1.25, "is_free_tier": False}
            return {"data": {"label": "sk-or-v1-au7...890"} | limits}
        pricing = {"prompt": "0.0000025", "completion": "0.00001"}
        return {
            "data": [
                {"id": id_, "name": id_, "created": 1715367049, "context_length": 128000, "pricing": pricing}
                for id_ in self.models
            ]
        }

    def refusal(self, status: int, code: str, message: str, **headers: str) -> Reply:
        """OpenRouter's shape of a refusal."""
        return json_reply({"error": {"message": message, "code": status}}, status, **headers)

    def unknown_key(self, key: str) -> Reply:
        """401, with the words that OpenRouter has for an unknown key and for none."""
        return self.refusal(401, "401", "User not found." if key else "No auth credentials found")


class Anthropic(ProviderServer):
    """api.anthropic.com/v1: `x-api-key`, and an `anthropic-version` without which nothing is answered."""

    name = "anthropic"
    base_path = "/v1"
    private_paths = ("/models",)

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.models = ["claude-sonnet-4-20250514", "claude-3-5-haiku-20241022"]

    def key_of(self, request: Received) -> str:
        """The header `x-api-key`; a bearer token is no key here."""
        return request.header("x-api-key")

    def answer(self, request: Received) -> Reply:
        """As every provider, once the version is given."""
        if request.path == self.base_path + "/models" and request.header("anthropic-version") != ANTHROPIC_VERSION:
            return self.refusal(400, "invalid_request_error", "anthropic-version: header is required")
        return super().answer(request)

    def listing(self, path: str) -> dict[str, Any]:
        """Anthropic's list, a page of it."""
        models = [
            {"type": "model", "id": id_, "display_name": id_.title(), "created_at": "2025-02-19T00:00:00Z"}
            for id_ in self.models
        ]
        return {"data": models, "has_more": False, "first_id": self.models[0], "last_id": self.models[-1]}

    def refusal(self, status: int, code: str, message: str, **headers: str) -> Reply:
        """Anthropic's shape of a refusal."""
        kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
        kinds |= {429: "rate_limit_error", 500: "api_error"}
        error = {"type": kinds.get(status, "invalid_request_error"), "message": message}
        return json_reply(
            {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}, status, **headers
        )

    def unknown_key(self, key: str) -> Reply:
        """401."""
        return self.refusal(401, "authentication_error", "invalid x-api-key" if key else "x-api-key header is required")


class GoogleAI(ProviderServer):
    """generativelanguage.googleapis.com/v1beta: `x-goog-api-key`. A wrong key is a 400, none a 403."""

    name = "google"
    base_path = "/v1beta"
    private_paths = ("/models",)

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.models = ["models/gemini-2.5-pro", "models/gemini-2.0-flash"]

    def key_of(self, request: Received) -> str:
        """The header `x-goog-api-key`."""
        return request.header("x-goog-api-key")

    def listing(self, path: str) -> dict[str, Any]:
        """Google's list."""
        return {
            "models": [
                {
                    "name": id_,
                    "displayName": id_.removeprefix("models/"),
                    "inputTokenLimit": 1048576,
                    "supportedGenerationMethods": ["generateContent", "countTokens"],
                }
                for id_ in self.models
            ]
        }

    def refusal(self, status: int, code: str, message: str, **headers: str) -> Reply:
        """Google's shape of a refusal."""
        statuses = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
        named = statuses.get(status, "INTERNAL" if status == 500 else "INVALID_ARGUMENT")
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code.upper(), "domain": "googleapis.com"}
        return json_reply(
            {"error": {"code": status, "message": message, "status": named, "details": [info]}}, status, **headers
        )

    def unknown_key(self, key: str) -> Reply:
        """400 for a wrong key, 403 for none."""
        if not key:
            return self.refusal(403, "FORBIDDEN", "Method doesn't allow unregistered callers.")
        return self.refusal(400, "API_KEY_INVALID", "API key not valid. Please pass a valid API key.")


SERVERS: Final[dict[str, type[ProviderServer]]] = {
    server.name: server for server in (OpenRouter, OpenAI, Anthropic, GoogleAI, XAI)
}


def _endless() -> Iterator[bytes]:
    """A models list of 64 MiB: whoever reads it whole has no limit."""
    entry = json.dumps({"id": "m" * 1000, "object": "model"}).encode() + b","
    chunk = entry * 64
    yield b'{"object": "list", "data": ['
    for _ in range(HUGE // len(chunk)):
        yield chunk
    yield entry[:-1] + b"]}"
