"""A supervisor gets all it needs to run the stack, and one data directory has one stack."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.embedded.data_home import data_home
from services.embedded.errors import DirectoryInUse, PortTaken
from services.embedded.processes import free_port, launch, stop, wait_until_ready
from services.embedded.stack import EmbeddedStack, lock


def test_the_components_run_from_what_is_said_of_them(tmp_path: Path) -> None:
    # given
    stack = EmbeddedStack(tmp_path, free_port(), free_port(), free_port())
    stack.check_ports()
    stack.prepare()
    components = stack.components()
    assert [component.name for component in components] == ["kafka", "clickhouse"]
    assert not any(component.ready() for component in components)
    # when
    processes = [launch(component.argv, component.log_path, component.env) for component in components]
    try:
        for component, process in zip(components, processes, strict=True):
            wait_until_ready(process, component.ready, component.name, component.log_path)
        # then
        assert all(component.ready() for component in components)
        with pytest.raises(PortTaken, match="--kafka-port"):
            stack.check_ports()
    finally:
        for process in processes:
            stop(process)


def test_a_second_stack_on_one_directory_is_refused_by_name(tmp_path: Path) -> None:
    program = f"from services.embedded.stack import lock\nfrom pathlib import Path\nwith lock(Path({str(tmp_path)!r})): print('in')"
    with lock(tmp_path):
        second = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert f"in use by process {os.getpid()}" in second.stderr
        with pytest.raises(DirectoryInUse), lock(tmp_path):
            pass
    third = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert third.stdout == "in\n"


@pytest.mark.parametrize(
    ("attribute", "flag"),
    [
        ("kafka_port", "--kafka-port"),
        ("clickhouse_port", "--clickhouse-port"),
        ("clickhouse_http_port", "--clickhouse-http-port"),
    ],
)
def test_a_taken_port_is_named_with_the_flag_that_moves_it(tmp_path: Path, attribute: str, flag: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = {"kafka_port": free_port(), "clickhouse_port": free_port(), "clickhouse_http_port": free_port()}
        ports[attribute] = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"{ports[attribute]}.*{flag}"):
            EmbeddedStack(tmp_path, **ports).check_ports()


def test_data_are_kept_where_the_user_keeps_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_home() == tmp_path
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert data_home().is_absolute()
