"""The report: every figure of it comes from what a run stored."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import report
from bench.charts import Bar, bars
from bench.result import RUNTIME, Result, read, stored, with_peers_of
from tests.bench.a_run import a_run, peer_work, shared

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_and_its_pictures_are_what_the_stored_run_says() -> None:
    run = read(DOCS / "performance.json")
    made = {"performance.md": report.page(run), **report.pictures(run)}
    assert {name: (DOCS / name).read_text(encoding="utf-8") for name in made} == made
    assert {path.name for path in DOCS.glob("performance-*.svg")} == set(report.pictures(run))


def test_a_run_is_the_same_after_it_was_stored(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(stored(a_run()))
    assert read(tmp_path / "run.json") == a_run()


def test_a_report_is_a_page_its_pictures_and_what_both_are_made_of(tmp_path: Path) -> None:
    (tmp_path / "performance-gone.svg").write_text("of a part that is not measured any more")
    files = report.write(a_run(), tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert all(f"({file.name})" in page for file in files if file.suffix == ".svg")
    for file in files:
        if file.suffix == ".svg":
            assert ElementTree.parse(file).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    "figures",
    [
        "| profile | 20,000 | 25,000 | 40.0 | 9.0 | 0.1 | 300 | 200 | 250 |",
        "| `touchpoints` | 1 | 410 |",
        "| PostgreSQL | 2 | 25,000 | 50 | 12 | 3 | 20% | 40.0 | 11.0 | 9.0 | nothing |",
        "- 2 over PostgreSQL, of the time in which a worker has a transaction open: 25% for another writer.",
        "| ingest, batches of 100 | 40,000 | 400 requests/s | ingest | 22.0 | 120 |",
        "**10,000 a second**",
        "| How much did customers buy? | 5 | 250.11 | 400.13 | 400.13 | 410 |",
        "| Rapport, profile stage | 25,000 | 20,000 to 50,000 | 30.0 | 10.0 | 150 | 250 ms |",
        "2 cores of a processor, 24 GB",
        "`rapport bench --peers --out docs`, 31.5 minutes",
        "ClickHouse took in 56,000 rows a second from projections.",
        "| rebuild | 10,000 | in 50.0 s | rebuild | 95.0 | 800 |",
    ],
)
def test_the_page_shows(figures: str) -> None:
    assert figures in report.page(a_run())


def test_output_that_is_wrong_counts_for_nothing_and_is_named() -> None:
    page = report.page(a_run())
    assert "| Quix Streams | 20,000 | 20,000 to 20,000 |" in page
    assert "- A run of Quix Streams does not count: 7 customers differ, such as C1" in page


def test_work_that_workers_lost_or_doubled_is_named() -> None:
    page = report.page(replace(a_run(), shared=[shared(2, 4.0, 125_000, wrong=("applied twice: 1, such as ['a']",))]))
    assert "- 2 over PostgreSQL does not count: applied twice: 1, such as ['a']" in page


def test_workers_that_disagree_on_who_holds_what_are_told_of() -> None:
    said = "The runs differ in who holds which identifier"
    assert said not in report.page(a_run())
    assert said in report.page(replace(a_run(), shared=[shared(1, 5.0, 100_000), shared(2, 5.0, 100_000, holders="cd34")]))


def test_a_peer_that_cannot_run_here_is_named_with_the_reason() -> None:
    assert "- Bytewax is missing: no package for this Python" in report.page(a_run())


@pytest.mark.parametrize(("load", "said"), [(0.2, False), (6.0, True)])
def test_a_machine_that_was_busy_with_other_work_is_said_to_be(load: float, said: bool) -> None:
    run = a_run()
    assert ("The machine was not idle" in report.page(replace(run, about=replace(run.about, load_before=load)))) is said


def test_what_was_not_measured_is_not_in_the_report() -> None:
    run = Result(a_run().about, ingest=a_run().ingest)
    headings = [line for line in report.page(run).splitlines() if line.startswith("## ")]
    assert headings == ["## Ingest", "## Measure it yourself"]
    assert not report.pictures(run)


def test_a_bar_far_longer_than_the_others_is_cut_off_and_says_its_length() -> None:
    picture = bars("t", (), [Bar(label, [value], f"{value:g} µs") for label, value in (("a", 30.0), ("b", 35.0), ("c", 2000.0))])
    widths = [float(bar.get("width", "")) for bar in ElementTree.fromstring(picture).iter() if bar.get("class") == "a"]
    assert widths[2] == pytest.approx(4 * widths[1], rel=0.01)
    assert "» 2000 µs" in picture


def test_peers_may_be_of_another_run_which_the_page_then_names() -> None:
    other = replace(a_run(), about=replace(a_run().about, began="2026-11-28 06:00 UTC"), simple_job="7 touchpoints")
    page = report.page(with_peers_of(replace(a_run(), peer_work=[]), other))
    before, _, peers = page.partition("## Beside its peers")
    assert "2026-11-28" not in before
    assert all(what in peers for what in ("2026-11-28 06:00 UTC", "7 touchpoints", "Rapport, profile stage | 25,000"))
    assert "run of its own" not in report.page(a_run())


def test_the_row_to_compare_peers_with_is_explained_where_there_is_one() -> None:
    run = a_run()
    assert "row to compare" not in report.page(run)
    assert "row to compare" in report.page(replace(run, peer_work=[*run.peer_work, peer_work(RUNTIME, 2.0)]))
