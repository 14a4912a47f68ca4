"""Reads a programme from YAML. Every problem is found at once, and names its line, its place and what is allowed."""

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from schemas.currencies import minor_units
from services.loyalty.moments import FOREVER
from services.loyalty.programme import TIER_PREFIX, Bonus, EarnRule, Exclusions, Level, Multiplier, Programme, Rule, Tiers
from services.loyalty.yaml_section import Problem, Section, WrongProgramme

EXAMPLE = Path(__file__).with_name("example_programme.yaml")
"""What counts where no programme is configured; equal to deploy/loyalty.yaml."""

MAX_BYTES = 1_000_000
MAX_DAYS = 36_500
R = TypeVar("R", bound=Rule)


def load(path: Path | None = None) -> Programme:
    """The programme of that file, or the example. Raises WrongProgramme, or OSError where it cannot be read."""
    chosen = path or EXAMPLE
    return read(chosen.read_bytes(), str(chosen))


def read(raw: bytes, name: str = "programme") -> Programme:
    """The programme that the YAML describes. Raises WrongProgramme, whose text has one line a problem."""
    problems: list[Problem] = []
    root = Section.root(_composed(raw, name), problems)
    programme = _programme(root)
    if problems:
        raise WrongProgramme(name, problems)
    return programme


def _composed(raw: bytes, name: str) -> yaml.Node:
    try:
        if len(raw) > MAX_BYTES:
            raise WrongProgramme(name, [Problem(1, "", f"is larger than {MAX_BYTES} bytes")])
        node = yaml.compose(raw.decode(), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise WrongProgramme(name, [Problem(raw[: error.start].count(b"\n") + 1, "", "is not UTF-8")]) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise WrongProgramme(name, [Problem(line, "", f"is not YAML: {error.problem}")]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise WrongProgramme(name, [Problem(1, "", f"is not YAML: {error}")]) from error
    if node is None:
        raise WrongProgramme(name, [Problem(1, "", "is empty")])
    return node


def _programme(root: Section) -> Programme:
    lots = root.section("lots")
    common = {
        "available_after_days": lots.whole("available_after_days", 0, 0, MAX_DAYS),
        "expire_after_days": lots.maybe_whole("expire_after_days", None, 1, MAX_DAYS),
    }
    lots.close()
    programme = Programme(
        name=root.text("programme"),
        version=root.whole("version", None, 1, 10**6),
        rounding=root.choice("rounding", ("down", "half_up", "up"), "down"),
        exclude=_exclusions(root.section("exclude")),
        earn=_rules(root, "earn", _earn, common),
        multipliers=_rules(root, "multipliers", _multiplier, common),
        bonuses=_rules(root, "bonuses", _bonus, common),
        tiers=_tiers(root.section("tiers"), common) if root.has("tiers") else None,
    )
    _check_names(root, programme)
    root.close()
    return programme


def _exclusions(section: Section) -> Exclusions:
    exclusions = Exclusions(
        tax=section.flag("tax", True),
        shipping=section.flag("shipping", True),
        categories=section.names("categories"),
        sources=section.names("sources"),
    )
    section.close()
    return exclusions


def _common(section: Section, common: dict[str, Any], qualifies: bool) -> dict[str, Any]:
    since, until = section.day("from", ""), section.day("until", FOREVER)
    if since >= until:
        section.problem("until", "must be later than from")
    available = section.whole("available_after_days", common["available_after_days"], 0, MAX_DAYS)
    expire = section.maybe_whole("expire_after_days", common["expire_after_days"], 1, MAX_DAYS)
    if expire is not None and expire <= available:
        section.problem("expire_after_days", f"must be more than the {available} days after which points become available")
    return {
        "version": section.whole("version", 1, 1, 10**6),
        "since": since,
        "until": until,
        "available_after_days": available,
        "expire_after_days": expire,
        "qualifies": section.flag("qualifies", qualifies),
    }


def _earn(section: Section, common: dict[str, Any]) -> EarnRule:
    currency = section.currency("currency")
    points = section.number("points", Fraction(0), Fraction(10_000))
    rate = points / minor_units(currency)
    return EarnRule(id=section.text("id"), currency=currency, rate=rate, **_common(section, common, True))


def _multiplier(section: Section, common: dict[str, Any]) -> Multiplier:
    return Multiplier(
        id=section.text("id"),
        factor=section.number("factor", Fraction(1), Fraction(100)),
        categories=section.names("categories"),
        sources=section.names("sources"),
        **_common(section, common, True),
    )


def _bonus(section: Section, common: dict[str, Any]) -> Bonus:
    return Bonus(
        id=section.text("id"),
        on=section.choice("on", ("first_purchase", "birthday", "survey"), None),
        points=section.whole("points", None, 1, 10**9),
        at_most_every_days=section.whole("at_most_every_days", 0, 0, MAX_DAYS),
        after_purchase=section.flag("after_purchase", True),
        **_common(section, common, False),
    )


def _rules(root: Section, name: str, read_one: Callable[[Section, dict[str, Any]], R], common: dict[str, Any]) -> tuple[R, ...]:
    rules: list[R] = []
    for section in root.sections(name):
        rule = read_one(section, common)
        if rule.id.startswith(TIER_PREFIX):
            section.problem("id", f"must not begin with {TIER_PREFIX!r}, as what tiers add is named")
        for other in rules:
            if rule.id == other.id and rule.version == other.version:
                section.problem("version", f"{rule.id!r} version {rule.version} is there already")
            elif rule.id == other.id and rule.since < other.until and other.since < rule.until:
                section.problem("id", f"{rule.id!r} holds at the same time as version {other.version}: end one where the next begins")
        section.close()
        rules.append(rule)
    return tuple(rules)


def _check_names(root: Section, programme: Programme) -> None:
    """Entries name a rule by its id alone."""
    named: dict[str, str] = {}
    for kind, rules in (("earn", programme.earn), ("multipliers", programme.multipliers), ("bonuses", programme.bonuses)):
        for id in {rule.id for rule in rules}:
            if id in named:
                root.problem(kind, f"has a rule {id!r}, and so has {named[id]}: give one another id")
            named[id] = kind


def _tiers(section: Section, common: dict[str, Any]) -> Tiers:
    by: Literal["points", "spend"] = section.choice("by", ("points", "spend"), "points")
    tiers = Tiers(
        by=by,
        currency=section.currency("currency") if by == "spend" else None,
        window_days=section.whole("window_days", 365, 1, MAX_DAYS),
        period_days=section.whole("period_days", 365, 1, MAX_DAYS),
        grace_days=section.whole("grace_days", 0, 0, MAX_DAYS),
        levels=_levels(section, common),
    )
    section.close()
    return tiers


def _levels(tiers: Section, common: dict[str, Any]) -> tuple[Level, ...]:
    levels: list[Level] = []
    for section in tiers.sections("levels", required=True):
        level = Level(
            id=section.text("name"),
            threshold=section.whole("threshold", None, 0, 10**15),
            factor=section.number("factor", Fraction(1), Fraction(100), Fraction(1), inclusive=True),
            **_common(section, common, True),
        )
        if not levels and level.threshold != 0:
            section.problem("threshold", "of the first level must be 0: every account has a tier")
        if levels and level.threshold <= levels[-1].threshold:
            section.problem("threshold", f"must be more than the {levels[-1].threshold} of {levels[-1].id!r}")
        if any(level.id == other.id for other in levels):
            section.problem("name", f"{level.id!r} is there already")
        section.close()
        levels.append(level)
    return tuple(levels)


def main(arguments: list[str]) -> int:
    """``python -m services.loyalty.programme_file FILE`` says whether the programme is right; the exit code too."""
    try:
        programme = load(Path(arguments[0]) if arguments else None)
    except (WrongProgramme, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{programme.name}, version {programme.version}: no problem found")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
