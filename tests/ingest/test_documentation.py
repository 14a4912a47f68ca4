"""The page about ingest says what the code does."""

import re
from inspect import signature
from pathlib import Path
from types import FunctionType

import httpx

from schemas.reading import REASONS
from services.cli.metrics_page import declared
from services.ingest import refusals
from services.ingest.door import Door
from services.ingest.message_key import keys_by
from services.ingest.write_keys import WriteKeys
from services.runtime.settings import IngestSettings

PAGE = (Path(__file__).parents[2] / "docs" / "ingest.md").read_text(encoding="utf-8")


def test_the_page_names_every_reason_refusal_and_metric_and_no_other() -> None:
    rows = re.findall(r"^\| `(?!rapport)([a-z_0-9]+)` \|", PAGE, re.MULTILINE)
    assert set(rows) == {*REASONS, "conflicting_duplicate"}
    in_code = {(str(refusal.status), refusal.code) for refusal in every_refusal()}
    table = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert {(status, code) for status, codes in table for code in re.findall(r"`(\w+)`", codes)} == in_code
    assert {name.removesuffix("_total") for name in re.findall(r"`(rapport_ingest_\w+)", PAGE)} == {
        metric._name for metric in declared(of_ingest=True)
    }


def every_refusal() -> list[refusals.Refusal]:
    makers = [make for make in vars(refusals).values() if isinstance(make, FunctionType)]
    return [make(*("1" for _ in signature(make).parameters)) if make is not refusals.too_slow else make(1.0) for make in makers]


def test_the_page_names_every_setting_with_its_default_and_every_path(tmp_path: Path) -> None:
    for name, field in IngestSettings.model_fields.items():
        assert f"RAPPORT_INGEST_{name.upper()}`" in PAGE
        assert str(field.default) in PAGE
    door = Door(WriteKeys(tmp_path / "k"), None, keys_by([]), 1, 1, 1)  # type: ignore[arg-type]
    for path in door.entries:
        assert f"`{path.rstrip('/')}`" in PAGE or f"POST {path.rstrip('/')}" in PAGE


def test_the_pages_example_is_accepted(http: httpx.Client) -> None:
    [example] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    answer = http.post("/v1/touchpoints", content=example).json()
    assert (answer["accepted"], answer["rejected"]) == (1, [])
