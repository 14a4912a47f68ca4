"""A part of a YAML file that is read field by field: what is wrong is collected with its line, and reading goes on."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TypeVar

import yaml

C = TypeVar("C", bound=str)
_number = re.compile(r"\d{1,9}(\.\d{1,9})?\Z")
_currency = re.compile(r"[A-Z]{3}\Z")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. ``place`` is such as ``earn[0].points``; empty for the file itself."""

    line: int
    place: str
    what: str


class WrongProgramme(Exception):
    """Raised by ``programme_file``: a person must correct the file. Its text has one line a problem, in the file's order."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        super().__init__("\n".join(f"{name}, line {p.line}: {p.place or 'the file'} {p.what}" for p in self.problems))


class Section:
    """A mapping. Each reader takes a default; None means that the field is required. ``close`` finds what nobody asked for."""

    def __init__(self, node: yaml.Node | None, place: str, line: int, problems: list[Problem]) -> None:
        self._place, self._line, self._problems = place, line, problems
        self._fields: dict[str, yaml.Node] = {}
        self._lines: dict[str, int] = {}
        self._asked: set[str] = set()
        if isinstance(node, yaml.MappingNode):
            self._take(node)
        elif node is not None and node.tag != "tag:yaml.org,2002:null":
            self.problem("", "must be a mapping of names and values")

    @classmethod
    def root(cls, node: yaml.Node, problems: list[Problem]) -> "Section":
        return cls(node, "", node.start_mark.line + 1, problems)

    def _take(self, node: yaml.MappingNode) -> None:
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in self._fields:
                self._problems.append(Problem(line, self._at(name), f"is there twice, first in line {self._lines[name]}"))
            self._fields[name], self._lines[name] = value, line

    def _at(self, name: str) -> str:
        return f"{self._place}.{name}".strip(".")

    def problem(self, name: str, what: str) -> None:
        """Notes what is wrong with the field (or with the section itself), at its line."""
        self._problems.append(Problem(self._lines.get(name, self._line), self._at(name), what))

    def has(self, name: str) -> bool:
        return name in self._fields

    def _scalar(self, name: str, required: bool) -> yaml.ScalarNode | None:
        self._asked.add(name)
        node = self._fields.get(name)
        if node is None or node.tag == "tag:yaml.org,2002:null":
            if required:
                self.problem(name, "is missing")
            return None
        if not isinstance(node, yaml.ScalarNode):
            self.problem(name, "must be a single value")
            return None
        return node

    def text(self, name: str) -> str:
        node = self._scalar(name, True)
        if node is None:
            return ""
        if node.tag != "tag:yaml.org,2002:str":
            self.problem(name, f"must be a text: write it in quotes, '{node.value}'")
        elif not 1 <= len(node.value) <= 100 or not node.value.isprintable() or ":" in node.value:
            self.problem(name, "must be a printable text of 1 to 100 characters without a colon")
        return str(node.value)

    def choice(self, name: str, allowed: tuple[C, ...], default: C | None) -> C:
        node = self._scalar(name, default is None)
        if node is None:
            return default or allowed[0]
        for one in allowed:
            if node.value == one:
                return one
        self.problem(name, f"must be {' or '.join(allowed)}, not {node.value!r}")
        return allowed[0]

    def currency(self, name: str) -> str:
        node = self._scalar(name, True)
        if node is None:
            return "XXX"
        if not _currency.match(node.value):
            self.problem(name, f"must be an ISO 4217 code such as EUR, not {node.value!r}")
        return str(node.value)

    def whole(self, name: str, default: int | None, least: int, most: int) -> int:
        node = self._scalar(name, default is None)
        if node is None:
            return least if default is None else default
        if node.tag != "tag:yaml.org,2002:int" or not node.value.isdecimal() or not least <= int(node.value) <= most:
            self.problem(name, f"must be a whole number from {least} to {most}, not {node.value!r}")
            return least
        return int(node.value)

    def maybe_whole(self, name: str, default: int | None, least: int, most: int) -> int | None:
        """``never`` says none."""
        node = self._fields.get(name)
        if isinstance(node, yaml.ScalarNode) and node.value == "never":
            self._asked.add(name)
            return None
        if node is None:
            return default
        return self.whole(name, least, least, most)

    def number(self, name: str, above: Fraction, most: Fraction, default: Fraction | None = None, inclusive: bool = False) -> Fraction:
        """Exact: 1.5 is three halves. ``inclusive``: ``above`` itself is allowed."""
        node = self._scalar(name, default is None)
        if node is None:
            return most if default is None else default
        value = Fraction(node.value) if _number.match(node.value) else None
        if value is None or value > most or value < above or (value == above and not inclusive):
            words = f"from {above}" if inclusive else f"more than {above},"
            self.problem(name, f"must be a number {words} up to {most}, not {node.value!r}")
            return most
        return value

    def flag(self, name: str, default: bool) -> bool:
        node = self._scalar(name, False)
        if node is None:
            return default
        if node.tag != "tag:yaml.org,2002:bool":
            self.problem(name, f"must be true or false, not {node.value!r}")
        return str(node.value).lower() in ("true", "yes", "on")

    def day(self, name: str, default: str) -> str:
        node = self._scalar(name, False)
        if node is None:
            return default
        try:
            return date.fromisoformat(node.value).isoformat()
        except ValueError:
            self.problem(name, f"must be a date such as 2026-01-31, not {node.value!r}")
            return default

    def names(self, name: str) -> frozenset[str]:
        texts = set()
        for index, node in enumerate(self._sequence(name, False)):
            if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:str":
                self._problems.append(Problem(node.start_mark.line + 1, f"{self._at(name)}[{index}]", "must be a text: write it in quotes"))
            else:
                texts.add(str(node.value))
        return frozenset(texts)

    def section(self, name: str) -> "Section":
        """Empty where it is missing."""
        self._asked.add(name)
        return Section(self._fields.get(name), self._at(name), self._lines.get(name, self._line), self._problems)

    def sections(self, name: str, required: bool = False) -> list["Section"]:
        nodes = self._sequence(name, required)
        return [Section(node, f"{self._at(name)}[{i}]", node.start_mark.line + 1, self._problems) for i, node in enumerate(nodes)]

    def _sequence(self, name: str, required: bool) -> list[yaml.Node]:
        self._asked.add(name)
        node = self._fields.get(name)
        if isinstance(node, yaml.SequenceNode):
            if required and not node.value:
                self.problem(name, "must not be empty")
            return list(node.value)
        if node is not None and node.tag != "tag:yaml.org,2002:null":
            self.problem(name, "must be a list")
        elif required:
            self.problem(name, "is missing")
        return []

    def close(self) -> None:
        for name in self._fields.keys() - self._asked:
            near = difflib.get_close_matches(name, self._asked, 1)
            self.problem(
                name, f"is not known; did you mean {near[0]!r}?" if near else f"is not known; known are {', '.join(sorted(self._asked))}"
            )
