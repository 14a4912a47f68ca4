"""How the bench measures: latency from when something was due, and the processor time of other processes."""

import subprocess
import sys

import psutil
import pytest

from bench.ingest_load import in_rhythm
from bench.latencies import latency
from bench.traffic import simple_touchpoints
from bench.usage import Together, Watch


def test_percentiles_are_those_of_all_waits() -> None:
    ms = latency("an answer", 1_000, [number / 1000 for number in range(1, 1001)]).ms
    assert ms["50"] == pytest.approx(500, rel=0.002)
    assert ms["99"] == pytest.approx(990, rel=0.002)
    assert ms["100"] == pytest.approx(1000, rel=0.002)


def test_requests_are_due_in_a_fixed_rhythm_whoever_asks_when() -> None:
    due = in_rhythm(per_second=100, seconds=0.05)
    moments = [due() for _ in range(5)]
    assert [round(moment - moments[0], 6) for moment in moments] == [0.0, 0.01, 0.02, 0.03, 0.04]  # type: ignore[operator]
    assert due() is None


def test_processor_time_and_memory_are_those_of_the_other_process() -> None:
    busy = "held = bytearray(60_000_000); print('ready', flush=True); input(); sum(range(10**7)); print('done', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin
        assert worker.stdout
        worker.stdout.readline()
        with Watch({"worker": psutil.Process(worker.pid), "idle": psutil.Process(psutil.Process().ppid())}) as watch:
            worker.stdin.write("\n")
            worker.stdin.flush()
            worker.stdout.readline()
            spent = {one.process: one for one in watch.spent(events=1_000)}
        worker.kill()
    assert spent["worker"].cpu_us > 10
    assert spent["worker"].peak_mb >= 57


def test_in_the_simple_traffic_the_key_is_all_that_is_known_of_a_customer() -> None:
    for key, value in simple_touchpoints(10, 50):
        assert b'"identifiers":[{"type":"customer_id","value":"%b"}]' % key in value


def test_a_process_counts_with_those_that_it_started_also_after_they_ended() -> None:
    burns = "sum(range(10**7))"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{burns}']); print('done', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        process = psutil.Process(started.pid)
        with Watch({"family": Together([process], children=True), "parent": process}) as watch:
            assert started.stdout
            started.stdout.readline()
            spent = {one.process: one.cpu_us for one in watch.spent(events=1_000)}
        started.kill()
    assert spent["family"] > spent["parent"] + 50
