"""Finds the write key of a request wherever its sender put it."""

import base64
import binascii
from collections.abc import Iterator

from services.ingest.refusals import unauthorized
from services.ingest.write_keys import WriteKey, WriteKeys


def key_of_request(keys: WriteKeys, headers: dict[bytes, bytes], in_body: str | None = None) -> WriteKey:
    """The first known key of those that came: header first, then ``writeKey`` of the body. Raises Refusal (401)."""
    for candidate in (*_in_headers(headers), in_body):
        if candidate and (found := keys.check(candidate)):
            return found
    raise unauthorized()


def _in_headers(headers: dict[bytes, bytes]) -> Iterator[str]:
    if own := headers.get(b"x-write-key"):
        yield own.decode("latin-1").strip()
    scheme, _, rest = headers.get(b"authorization", b"").strip().partition(b" ")
    if scheme.lower() == b"bearer":
        yield rest.decode("latin-1").strip()
    elif scheme.lower() == b"basic":
        yield _user_of(rest.strip())


def _user_of(credentials: bytes) -> str:
    """The user name of Basic authentication; some senders leave the colon off. Empty for what is not base64."""
    try:
        return base64.b64decode(credentials).partition(b":")[0].decode("latin-1")
    except (binascii.Error, ValueError):
        return ""
