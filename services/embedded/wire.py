"""The primitive values of ClickHouse's native protocol: variable-length integers, length-prefixed text, fixed widths."""

MAX_TEXT_BYTES = 64 * 1024 * 1024
MAX_BUFFERED_BYTES = 512 * 1024 * 1024
_LONGEST_VARINT = 10


class Incomplete(Exception):
    """More bytes are needed than have arrived. The caller goes back to where it began, and tries again with more."""


class MalformedPacket(Exception):
    """The bytes cannot be what the protocol says. The connection cannot go on: it is closed."""


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return varint(len(raw)) + raw


class WireReader:
    """Bytes come in at the end of `data`; a position moves over them. Raises Incomplete when they do not suffice."""

    def __init__(self, data: bytearray | None = None) -> None:
        self.data = bytearray() if data is None else data
        self.position = 0
        self.strings_done: tuple[int, int, int] | None = None
        """(start, rows passed, position): where a walk over a column of strings broke off, so as not to start again."""

    def feed(self, data: bytes) -> None:
        if len(self.data) + len(data) > MAX_BUFFERED_BYTES:
            raise MalformedPacket(f"more than {MAX_BUFFERED_BYTES} bytes in one packet")
        self.data += data

    def forget_consumed(self) -> None:
        del self.data[: self.position]
        self.position = 0
        self.strings_done = None

    @property
    def is_empty(self) -> bool:
        return self.position == len(self.data)

    def varint(self) -> int:
        result = shift = 0
        for position in range(self.position, self.position + _LONGEST_VARINT):
            if position >= len(self.data):
                raise Incomplete
            byte = self.data[position]
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                self.position = position + 1
                return result
        raise MalformedPacket("an integer longer than 10 bytes")

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise Incomplete
        taken = bytes(self.data[self.position : end])
        self.position = end
        return taken

    def skip(self, count: int) -> None:
        if count > MAX_BUFFERED_BYTES:
            raise MalformedPacket(f"a value of {count} bytes")
        if self.position + count > len(self.data):
            raise Incomplete
        self.position += count

    def uint(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def text(self) -> str:
        length = self.varint()
        if length > MAX_TEXT_BYTES:
            raise MalformedPacket(f"a text of {length} bytes")
        return self.take(length).decode("utf-8", "surrogateescape")
