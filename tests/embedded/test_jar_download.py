"""Kafka's files come whole and unchanged, however the network behaves. The repository is a server on loopback."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.embedded import jar_download
from services.embedded.errors import ChecksumMismatch, DownloadFailed
from services.embedded.jar_download import CHUNK_BYTES, fetch_jars
from services.embedded.jar_list import Jar, present_jars, read_jar_list


class Repository:
    """Serves files by path, with ranges; can break off an answer, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.break_off_after: list[int] = []
        self.ignores_ranges = False
        handler = type("Handler", (_Handler,), {"repository": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/maven"

    def publish(self, name: str, content: bytes) -> Jar:
        jar = Jar("org.example", name, "1.0", hashlib.sha256(content).hexdigest(), len(content))
        self.files[f"/maven/{jar.repository_path}"] = content
        return jar


class _Handler(BaseHTTPRequestHandler):
    repository: Repository

    def do_GET(self) -> None:
        range_header = self.headers.get("Range")
        self.repository.asked.append((self.path, range_header))
        content = self.repository.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if range_header and not self.repository.ignores_ranges:
            start = int(range_header.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        limit = self.repository.break_off_after.pop(0) if self.repository.break_off_after else len(content)
        self.wfile.write(content[start : start + limit])

    def log_message(self, *_arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setattr(jar_download, "RETRY_AFTER_S", 0.01)
    serving = Repository()
    thread = threading.Thread(target=serving.server.serve_forever, args=(0.01,))
    thread.start()
    yield serving
    serving.server.shutdown()
    thread.join()
    serving.server.server_close()


def test_files_are_fetched_side_by_side_with_progress_and_kept(repository: Repository, tmp_path: Path) -> None:
    # given
    jars = [repository.publish(f"lib{number}", bytes([number]) * 600_000) for number in range(12)]
    told: list[tuple[int, int]] = []
    # when
    paths = fetch_jars(jars, tmp_path, [repository.url], lambda done, total, _label: told.append((done, total)))
    again = fetch_jars(jars, tmp_path, [repository.url])
    # then
    assert paths == again == present_jars(jars, tmp_path)
    assert [path.read_bytes()[:1] for path in paths] == [bytes([number]) for number in range(12)]
    assert len(repository.asked) == 12
    assert told[-1] == (12 * 600_000, 12 * 600_000)
    assert sorted(told) == told


def test_a_download_that_breaks_off_goes_on_where_it_stopped(repository: Repository, tmp_path: Path) -> None:
    # given
    jar = repository.publish("broken-off", bytes(range(256)) * 4000)
    repository.break_off_after = [8 * CHUNK_BYTES, 2 * CHUNK_BYTES]
    # when
    fetch_jars([jar], tmp_path, [repository.url])
    # then
    assert [asked for _path, asked in repository.asked] == [None, f"bytes={8 * CHUNK_BYTES}-", f"bytes={10 * CHUNK_BYTES}-"]
    assert present_jars([jar], tmp_path)


def test_the_next_run_goes_on_with_what_an_earlier_one_left(repository: Repository, tmp_path: Path) -> None:
    # given
    jar = repository.publish("left", bytes(range(256)) * 4000)
    repository.break_off_after = [3 * CHUNK_BYTES, 0, 0, 0]
    with pytest.raises(DownloadFailed, match="run the same command again"):
        fetch_jars([jar], tmp_path, [repository.url])
    repository.asked.clear()
    # when
    fetch_jars([jar], tmp_path, [repository.url])
    # then
    assert [asked for _path, asked in repository.asked] == [f"bytes={3 * CHUNK_BYTES}-"]


def test_a_repository_that_knows_no_ranges_is_asked_for_the_whole(repository: Repository, tmp_path: Path) -> None:
    # given
    jar = repository.publish("whole", bytes(range(256)) * 4000)
    repository.break_off_after = [300_000]
    repository.ignores_ranges = True
    # when
    fetch_jars([jar], tmp_path, [repository.url])
    # then
    assert present_jars([jar], tmp_path)


def test_a_file_with_another_sum_is_refused_and_deleted(repository: Repository, tmp_path: Path) -> None:
    # given
    jar = repository.publish("changed", b"the real one")
    repository.files[f"/maven/{jar.repository_path}"] = b"another one!"
    # when
    with pytest.raises(ChecksumMismatch) as refused:
        fetch_jars([jar], tmp_path, [repository.url])
    # then
    assert jar.sha256 in str(refused.value)
    assert jar.file_name in str(refused.value)
    assert not list(tmp_path.glob("changed*"))


def test_a_file_damaged_on_disk_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    # given
    jar = repository.publish("damaged", b"as it should be")
    (path,) = fetch_jars([jar], tmp_path, [repository.url])
    path.write_bytes(b"as it should BE")
    # when
    fetch_jars([jar], tmp_path, [repository.url])
    # then
    assert path.read_bytes() == b"as it should be"


def test_the_next_repository_is_asked_when_one_lacks_a_file(repository: Repository, tmp_path: Path) -> None:
    # given
    jar = repository.publish("elsewhere", b"content")
    # when
    fetch_jars([jar], tmp_path, [f"{repository.url}/mirror", repository.url])
    # then
    assert present_jars([jar], tmp_path)


def test_a_copy_in_the_local_maven_repository_is_taken_if_its_sum_is_right(repository: Repository, tmp_path: Path) -> None:
    # given
    good, bad = repository.publish("good", b"good"), repository.publish("bad", b"good too")
    for jar, content in ((good, b"good"), (bad, b"not that")):
        copy = tmp_path / "m2" / jar.repository_path
        copy.parent.mkdir(parents=True)
        copy.write_bytes(content)
    # when
    fetch_jars([good, bad], tmp_path / "jars", [repository.url], local=tmp_path / "m2")
    # then
    assert [path for path, _range in repository.asked] == [f"/maven/{bad.repository_path}"]
    assert present_jars([good, bad], tmp_path / "jars")


def test_the_committed_list_names_kafka_and_a_logger_once_each_with_a_sum() -> None:
    # given
    jars = read_jar_list()
    # then
    names = [f"{jar.group}:{jar.artifact}" for jar in jars]
    assert len(set(names)) == len(names) == 46
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {"4.1.1"}
    assert "org.apache.logging.log4j:log4j-slf4j-impl" in names
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)
