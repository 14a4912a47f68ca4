"""What an HTTP request to ClickHouse asks for: query, settings, parameters, credentials, session, encodings. Pure.

Source: `src/Server/HTTPHandler.cpp` and ClickHouse's page on its HTTP interface.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from services.embedded.server_errors import BAD_ARGUMENTS, ServerError

_PARAMETER = "param_"
_NOT_SETTINGS = frozenset(
    {
        "query",
        "default_format",
        "database",
        "user",
        "password",
        "session_id",
        "session_timeout",
        "session_check",
        "close_session",
        "query_id",
        "compress",
        "decompress",
        "client_protocol_version",
        "quota_key",
        "role",
        "buffer_size",
        "wait_end_of_query",
        "stacktrace",
        "enable_http_compression",
        "http_native_compression_disable_checksumming_on_decompress",
        "add_http_cors_header",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
    }
)
MAX_SESSION_SECONDS = 3600
DEFAULT_SESSION_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Credentials:
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`fields` are the URL's parameters and, in a form, the body's; `headers` have small letters."""

    method: str
    fields: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def reads_only(self) -> bool:
        """GET may be sent by a link or a picture on any page, so it never changes anything."""
        return self.method in ("GET", "HEAD")

    @property
    def credentials(self) -> Credentials:
        """By header, URL or HTTP Basic; `default` without a password if none is given."""
        authorization = self.headers.get("authorization", "")
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() == "basic":
            return _basic(encoded)
        user = self.headers.get("x-clickhouse-user") or self.fields.get("user") or "default"
        return Credentials(user, self.headers.get("x-clickhouse-key") or self.fields.get("password", ""))

    @property
    def database(self) -> str:
        return self.fields.get("database") or self.headers.get("x-clickhouse-database", "")

    @property
    def default_format(self) -> str:
        return self.fields.get("default_format") or self.headers.get("x-clickhouse-format") or "TabSeparated"

    @property
    def settings(self) -> dict[str, str]:
        return {name: value for name, value in self.fields.items() if name not in _NOT_SETTINGS and not name.startswith(_PARAMETER)}

    @property
    def parameters(self) -> dict[str, str]:
        return {name.removeprefix(_PARAMETER): value for name, value in self.fields.items() if name.startswith(_PARAMETER)}

    @property
    def session_seconds(self) -> int:
        given = self.fields.get("session_timeout", "")
        if given and not given.isdigit():
            raise ServerError(BAD_ARGUMENTS, f"Invalid session timeout: {given!r}. (INVALID_SESSION_TIMEOUT)")
        return min(int(given or DEFAULT_SESSION_SECONDS), MAX_SESSION_SECONDS)

    def is_on(self, name: str) -> bool:
        return self.fields.get(name, "0").lower() in ("1", "true")

    @property
    def answer_encoding(self) -> str:
        """The Content-Encoding of the answer; nothing unless the client asked for compression in both ways it must."""
        if not self.is_on("enable_http_compression"):
            return ""
        accepted = [part.partition(";")[0].strip() for part in self.headers.get("accept-encoding", "").split(",")]
        return next((name for name in ("zstd", "lz4", "gzip", "deflate") if name in accepted), "")


def fields_of(query_string: str) -> dict[str, str]:
    return dict(parse_qsl(query_string, keep_blank_values=True, errors="surrogateescape"))


def comes_from_this_machine(headers: Mapping[str, str]) -> bool:
    """False for a request that a web page of some other site made the user's browser send (no password protects us).

    A page's own requests name it in Origin; a page whose name was made to point to this machine gives itself away by Host.
    """
    origin = headers.get("origin", "")
    return _is_local_name(headers.get("host", "")) and (not origin or _is_local_name(origin.partition("://")[2]))


def _is_local_name(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    name = name.strip("[]").lower()
    is_address = ":" in name or name.replace(".", "").isdigit()
    return is_address or "." not in name or name.endswith((".localhost", ".internal", ".local"))


def _basic(encoded: str) -> Credentials:
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as wrong:
        raise ServerError(BAD_ARGUMENTS, "The Authorization header is not valid. (BAD_ARGUMENTS)") from wrong
    return Credentials(user or "default", password)
