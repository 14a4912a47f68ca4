"""Who may send."""

import json
from pathlib import Path

import pytest

from services.ingest.write_keys import UnknownWriteKey, WriteKeys


class Watch:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_shown_once_and_kept_only_as_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "write_keys.json"
    key = WriteKeys(path).create("shop-berlin")
    assert key.startswith("rk_")
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    [entry] = json.loads(path.read_text())["keys"]
    assert (entry["name"], entry["source"], entry["revoked_at"]) == ("shop-berlin", "shop-berlin", None)


def test_a_key_opens_for_its_source_and_others_do_not(tmp_path: Path) -> None:
    keys = WriteKeys(tmp_path / "k.json")
    key = keys.create("till", source="shop-berlin")
    found = keys.check(key)
    assert found is not None
    assert (found.name, found.source) == ("till", "shop-berlin")
    assert [keys.check(other) for other in ("", "rk_", key[:-1], key + "x", key.upper(), "\ud800")] == [None] * 6


def test_a_key_that_another_process_makes_or_ends_counts_within_a_second(tmp_path: Path) -> None:
    watch = Watch()
    serving, administering = WriteKeys(tmp_path / "k.json", watch), WriteKeys(tmp_path / "k.json")
    assert serving.check("rk_none") is None
    key = administering.create("till")
    watch.now = 1.0
    assert serving.check(key) is not None
    administering.revoke("till")
    assert serving.check(key) is not None
    watch.now = 2.0
    assert serving.check(key) is None


def test_keys_are_listed_and_revoked_by_id_or_name(tmp_path: Path) -> None:
    keys = WriteKeys(tmp_path / "k.json")
    first, _ = keys.create("a"), keys.create("b")
    by_id = keys.listed()[0].id
    assert [ended.name for ended in keys.revoke(by_id)] == ["a"]
    assert keys.check(first) is None
    assert [(key.name, key.revoked_at is None) for key in keys.listed()] == [("a", False), ("b", True)]
    with pytest.raises(UnknownWriteKey, match="'a'"):
        keys.revoke("a")


@pytest.mark.parametrize("source", [" ", "x" * 101, "a\0b"])
def test_a_source_that_touchpoints_could_not_carry_is_refused(tmp_path: Path, source: str) -> None:
    keys = WriteKeys(tmp_path / "k.json")
    with pytest.raises(ValueError, match="source"):
        keys.create("name", source)
    assert keys.listed() == []
