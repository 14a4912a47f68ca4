"""Every reason for which a whole request is refused: status, code and words that say what to do."""


class Refusal(Exception):
    """Raised anywhere while a request is taken in; nothing of it is kept. ``retry_after``: seconds, where trying again helps."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


def unauthorized() -> Refusal:
    return Refusal(
        401,
        "unauthorized",
        "no known write key came with the request (`rapport keys create NAME` makes one): send it as `Authorization: Bearer KEY`, "
        "as the user of Basic authentication, as `X-Write-Key: KEY`, or (Segment calls) as writeKey in the body",
    )


def too_large(most: int, what: str = "the body") -> Refusal:
    return Refusal(413, "too_large", f"{what} has more than {most} bytes: split it over several requests")


def too_many(message: str) -> Refusal:
    return Refusal(413, "too_many", message)


def too_slow(seconds: float) -> Refusal:
    return Refusal(408, "too_slow", f"the body was not whole after {seconds:g} s: send less at once", 1)


def unparsable(message: str) -> Refusal:
    return Refusal(400, "unparsable", f"the body cannot be read: {message}; nothing of it was kept")


def unknown_encoding(name: str) -> Refusal:
    return Refusal(415, "unknown_encoding", f"Content-Encoding {name[:40]!r} is not known: send gzip, or none")


def overloaded(limit: int) -> Refusal:
    return Refusal(429, "overloaded", f"{limit} bytes wait to be written already: send again after Retry-After seconds", 1)


def log_away() -> Refusal:
    """Why it is away is for operators: /readyz and the log of ingest say it."""
    return Refusal(503, "log_away", "the log is away, so nothing is acknowledged: send the same again after Retry-After seconds", 3)


def log_full() -> Refusal:
    """How much room there is, is for operators: /readyz and the log of ingest say it."""
    return Refusal(
        503, "log_full", "the log has hardly any room left, so nothing is taken: send the same again after Retry-After seconds", 15
    )


def log_refused() -> Refusal:
    return Refusal(500, "log_refused", "the log does not take it: an operator must look at the log of ingest and at the topics' settings")


def internal() -> Refusal:
    return Refusal(500, "internal", "a mistake of Rapport's own, which its log shows: nothing is acknowledged; send it again later")
