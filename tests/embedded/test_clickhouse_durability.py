"""What ClickHouse acknowledged is there after kill -9; one process has a directory; a taken port is named."""

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from clickhouse_driver import Client

from services.embedded.clickhouse import ClickHouseAddress, running_clickhouse, server_command
from services.embedded.errors import ComponentFailed
from services.embedded.processes import free_port
from tests.embedded.waiting import until


def _insert_until_it_dies(server: ClickHouseAddress, acknowledged: list[int]) -> None:
    with Client(server.host, port=server.tcp_port, send_receive_timeout=5) as client:
        for batch in range(100_000):
            try:
                client.execute("INSERT INTO kept VALUES", [[batch] * 200, ["x" * 50] * 200], columnar=True)
            except (EOFError, OSError):
                return
            acknowledged.append(batch)


def test_acknowledged_inserts_survive_kill_9_and_half_ones_leave_nothing(tmp_path: Path) -> None:
    # given
    acknowledged: list[int] = []
    with running_clickhouse(tmp_path) as server:
        with Client(server.host, port=server.tcp_port) as client:
            client.execute("CREATE TABLE kept (batch Int64, s String) ENGINE = MergeTree ORDER BY batch")
        writer = threading.Thread(target=_insert_until_it_dies, args=(server, acknowledged))
        writer.start()
        until(lambda: len(acknowledged) >= 15, "some inserts are acknowledged")
        # when
        os.kill(server.pid, signal.SIGKILL)
        writer.join()
    # then
    with running_clickhouse(tmp_path) as server, Client(server.host, port=server.tcp_port) as client:
        found = dict(client.execute("SELECT batch, count() FROM kept GROUP BY batch"))
        assert set(acknowledged) <= set(found) <= {*acknowledged, len(acknowledged)}
        assert set(found.values()) == {200}
        assert not list((tmp_path / "clickhouse" / "incoming").iterdir())
        # and a second server on the directory is refused, by the process that holds it
        second = subprocess.run(server_command(tmp_path, free_port(), free_port()), capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1
        assert f"process {server.pid}" in second.stderr
        assert client.execute("SELECT 1") == [(1,)]


def test_a_taken_port_is_named_and_nothing_is_touched(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ComponentFailed, match=f"Port {port}"), running_clickhouse(tmp_path, tcp_port=port):
            pass
    assert not (tmp_path / "clickhouse").exists()
