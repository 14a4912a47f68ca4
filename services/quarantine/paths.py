"""Paths into JSON, such as ``$.payload.lines[0].sku``; ``[*]`` is every element, ``["a.b"]`` a name with a dot."""

import re
from collections.abc import Iterator
from typing import Any

Step = str | int
_step = re.compile(r'\.([^.\[\]"\s]+)|\[(\d{1,6})\]|\[(\*)\]|\["([^"\\]+)"\]')
_path = re.compile(rf"\$(?:{_step.pattern})*")


class WrongRule(ValueError):
    """Raised where a rule or path is spelled wrong: the message is for the person who wrote it."""


class Every:
    """Stands for ``[*]`` among the steps."""

    def __repr__(self) -> str:
        return "[*]"


EACH = Every()
Steps = tuple[Step | Every, ...]
Place = tuple[Any, Step]
"""An object or list, and a name or index in it that may not exist."""


def steps_of(path: str) -> Steps:
    """Empty for ``$``, the whole. Raises WrongRule."""
    if not _path.fullmatch(path):
        raise WrongRule(f"{path!r} is no path: write it as $.payload.lines[0].sku, with [*] for every element")
    return tuple(_one(match) for match in _step.finditer(path))


def _one(match: re.Match[str]) -> Step | Every:
    name, index, every, quoted = match.groups()
    if every:
        return EACH
    return int(index) if index else name or quoted


def places(value: Any, steps: Steps) -> Iterator[Place]:
    """Where the path leads: every place whose holder exists and can have it. ``steps`` is not empty."""
    first, rest = steps[0], steps[1:]
    for step in _here(value, first):
        if not rest:
            yield value, step
        elif has(value, step):
            yield from places(value[step], rest)


def _here(value: Any, step: Step | Every) -> list[Step]:
    if isinstance(step, Every):
        return list(reversed(range(len(value)))) if isinstance(value, list) else []
    fits = isinstance(value, dict) if isinstance(step, str) else isinstance(value, list) and step < len(value)
    return [step] if fits else []


def has(holder: Any, step: Step) -> bool:
    return step in holder if isinstance(holder, dict) else isinstance(holder, list) and isinstance(step, int) and step < len(holder)


def differences(before: Any, after: Any, path: str = "$") -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) of the smallest parts that differ; ``...`` stands for what is not there."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            spelled = f"{path}.{name}" if _step.fullmatch(f".{name}") else f'{path}["{name}"]'
            yield from differences(before.get(name, ...), after.get(name, ...), spelled)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, f"{path}[{index}]")
    elif type(before) is not type(after) or before != after:
        yield path, before, after
