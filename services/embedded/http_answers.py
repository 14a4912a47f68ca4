"""How ClickHouse answers over HTTP: status codes, headers, formats, errors before and in the middle of a body. Pure."""

import json

from services.embedded.engine_config import DISPLAY_NAME
from services.embedded.engine_session import Answer
from services.embedded.server_errors import ServerError

_JSON, _TEXT, _BINARY = "application/json; charset=UTF-8", "text/plain; charset=UTF-8", "application/octet-stream"
_CONTENT_TYPES = {
    **dict.fromkeys(("json", "jsoncompact", "jsonstrings", "jsoncompactstrings", "jsoncolumns"), _JSON),
    **dict.fromkeys(("jsoneachrow", "jsonlines", "ndjson"), "application/x-ndjson; charset=UTF-8"),
    **dict.fromkeys(("csv", "csvwithnames", "csvwithnamesandtypes"), "text/csv; charset=UTF-8; header=absent"),
    **dict.fromkeys(("tabseparated", "tsv"), "text/tab-separated-values; charset=UTF-8"),
    **dict.fromkeys(
        ("tabseparatedwithnames", "tsvwithnames", "tabseparatedwithnamesandtypes", "tsvwithnamesandtypes"),
        "text/tab-separated-values; charset=UTF-8; header=present",
    ),
    **dict.fromkeys(("native", "rowbinary", "rowbinarywithnamesandtypes", "parquet", "orc", "avro", "arrow"), _BINARY),
    "arrowstream": "application/vnd.apache.arrow.stream",
    "xml": "application/xml; charset=UTF-8",
    "markdown": "text/markdown; charset=UTF-8",
}
_CONTENT_TYPES["csvwithnames"] = _CONTENT_TYPES["csvwithnamesandtypes"] = "text/csv; charset=UTF-8; header=present"

WITHOUT_HEADER = frozenset(
    {
        "native",
        "tabseparated",
        "tsv",
        "tabseparatedraw",
        "tsvraw",
        "csv",
        "customseparated",
        "jsoneachrow",
        "jsonlines",
        "ndjson",
        "jsonstringseachrow",
        "jsoncompacteachrow",
        "rowbinary",
        "tskv",
        "msgpack",
        "lineasstring",
        "rawblob",
        "bsoneachrow",
    }
)
"""Formats whose output in pieces is the same as in one: they write nothing before, between or after the rows."""

_NOT_FOUND = {46, 47, 50, 56, 60, 63, 73, 81, 115, 336}
_BAD_REQUEST = {6, 26, 27, 36, 38, 41, 42, 43, 53, 62, 69, 70, 72, 117, 131, 190, 407, 427, 456, 457}
_STATUS = {
    **dict.fromkeys(_NOT_FOUND, 404),
    **dict.fromkeys(_BAD_REQUEST, 400),
    **dict.fromkeys((164, 192, 193, 344, 497, 516), 403),
    159: 408,
    307: 413,
    48: 501,
    202: 503,
    209: 503,
}


def status_of(error: ServerError) -> int:
    return _STATUS.get(error.code, 500)


def content_type(output_format: str) -> str:
    return _CONTENT_TYPES.get(output_format.lower(), _TEXT)


def common_headers(query_id: str, timezone: str) -> dict[str, str]:
    return {
        "X-ClickHouse-Server-Display-Name": DISPLAY_NAME,
        "X-ClickHouse-Query-Id": query_id,
        "X-ClickHouse-Timezone": timezone,
    }


def error_text(error: ServerError, version: str) -> bytes:
    return f"Code: {error.code}. DB::Exception: {error.message} (version {version} (official build))\n".encode()


def error_in_body(error: ServerError, version: str, tag: str) -> bytes:
    """What follows a body that has begun: clients find it by the tag that the headers announced."""
    message = error_text(error, version)
    mark = tag.encode()
    return b"\r\n__exception__\r\n" + mark + b"\r\n" + message + b"%d " % len(message) + mark + b"\r\n__exception__\r\n"


def summary(answer: Answer) -> str:
    """The value of X-ClickHouse-Summary; numbers are strings there."""
    numbers = {
        "read_rows": answer.read_rows,
        "read_bytes": answer.read_bytes,
        "written_rows": answer.written_rows,
        "written_bytes": answer.written_bytes,
        "total_rows_to_read": 0,
        "result_rows": answer.result_rows,
        "result_bytes": len(answer.output),
        "elapsed_ns": int(answer.elapsed_s * 1e9),
    }
    return json.dumps({name: str(number) for name, number in numbers.items()})
