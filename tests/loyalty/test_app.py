"""The loyalty service as a process."""

import asyncio
import logging
from pathlib import Path

import pytest

from services.loyalty.app import WRONG_PROGRAMME, run
from services.runtime.settings import LoyaltySettings, Settings


@pytest.mark.parametrize(
    ("text", "said"),
    [("programme: p\nversion: 0\n", "line 2: version must be a whole number"), (None, "No such file")],
)
def test_a_wrong_programme_is_said_line_by_line_and_nothing_is_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None, said: str
) -> None:
    path = tmp_path / "programme.yaml"
    if text is not None:
        path.write_text(text)
    settings = Settings(data_dir=tmp_path / "data", loyalty=LoyaltySettings(programme=path))
    with caplog.at_level(logging.ERROR):
        assert asyncio.run(run(settings)) == WRONG_PROGRAMME
    assert said in caplog.text
    assert not (tmp_path / "data").exists()
