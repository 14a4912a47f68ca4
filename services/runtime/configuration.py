"""Reads the configuration and says where each value came from: an argument, a variable, the file, or the default."""

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from services.runtime.settings import Settings, config_file

PREFIX = "RAPPORT_"
NOT_SETTINGS = frozenset({"RAPPORT_CONFIG", "RAPPORT_PYTHON"})
"""Variables that are read before there are settings: which file, and which Python the launcher takes."""

MASK = "********"


class WrongSettings(Exception):
    """Raised by ``load``: each line names a setting, where its value came from, what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One setting as it takes effect. ``shown`` has secrets masked, ``toml`` (as a file would say it) has them left out;
    ``came_from`` is argument, variable, file or default."""

    name: str
    variable: str
    shown: str
    came_from: str
    description: str
    allowed: str
    toml: str


def load(arguments: Mapping[str, Any] | None = None) -> Settings:
    """The settings in effect. Arguments win over variables, variables over the file. Raises WrongSettings."""
    given = dict(arguments or {})
    try:
        _refuse_missing_file()
        _refuse_unknown_variables()
        return Settings(**given)
    except ValidationError as error:
        raise WrongSettings("\n".join(_explained(problem, given) for problem in error.errors())) from error
    except tomllib.TOMLDecodeError as error:
        raise WrongSettings(f"{config_file()} is not TOML: {error}") from error
    except SettingsError as error:
        raise WrongSettings(f"{error}: {error.__cause__ or 'lists and tables are written as JSON in variables'}") from error


def origins(arguments: Mapping[str, Any] | None = None) -> list[Origin]:
    """Every setting with its value in effect, in the order of the documentation. Raises WrongSettings."""
    given = dict(arguments or {})
    settings, file = load(given), _file_values()
    return [_origin(path, field, value, given, file) for path, field, value in _leaves(settings, ())]


def environment_with(arguments: Mapping[str, Any]) -> dict[str, str]:
    """This process's environment with the arguments as variables, for programs that it starts."""
    return {**os.environ, **dict(_variables(arguments, ()))}


def _variables(values: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _variables(value, (*above, name))
        else:
            yield variable((*above, name)), str(value)


def _leaves(section: BaseModel, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], FieldInfo, Any]]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), field, value


def _origin(path: tuple[str, ...], field: FieldInfo, value: Any, arguments: Mapping[str, Any], file: Mapping[str, Any]) -> Origin:
    return Origin(
        name=".".join(path),
        variable=variable(path),
        shown=_shown(value),
        came_from=_came_from(path, arguments, file),
        description=field.description or "",
        allowed=allowed_values(field),
        toml=_as_toml(value),
    )


def variable(path: tuple[str, ...]) -> str:
    """The environment variable of a setting: ``("kafka", "port")`` is ``RAPPORT_KAFKA_PORT``."""
    return PREFIX + "_".join(path).upper()


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items()) or "-"
    return str(value)


def _as_toml(value: Any) -> str:
    if value is None or isinstance(value, SecretStr):
        return '""'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_as_toml(str(key))} = {_as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool | int | float | str | list):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(str(value), ensure_ascii=False)


def _came_from(path: tuple[str, ...], arguments: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    if _holds(arguments, path):
        return "argument"
    named = {name.upper() for name in os.environ}
    if variable(path) in named:
        return f"variable {variable(path)}"
    if len(path) > 1 and variable(path[:1]) in named:
        return f"variable {variable(path[:1])}"
    return f"file {config_file()}" if _holds(file, path) else "default"


def _holds(values: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(values, Mapping) or name not in values:
            return False
        values = values[name]
    return True


def _file_values() -> dict[str, Any]:
    path = config_file()
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def allowed_values(field: FieldInfo) -> str:
    """What a setting may be, in words: a list of choices or a range; empty where anything of its type goes."""
    choices = [str(choice) for choice in get_args(field.annotation) if isinstance(choice, str)]
    if choices:
        return " or ".join(choices)
    words = {Ge: "at least {}", Gt: "more than {}", Le: "at most {}", Lt: "less than {}"}
    bounds = ((words[type(item)], next(iter(_bounds(item)))) for item in field.metadata if type(item) in words)
    return ", ".join(word.format(bound) for word, bound in bounds)


def _bounds(limit: Any) -> Iterator[Any]:
    return (getattr(limit, name) for name in ("ge", "gt", "le", "lt") if hasattr(limit, name))


def _explained(problem: Any, arguments: Mapping[str, Any]) -> str:
    path = tuple(str(part) for part in problem["loc"])
    place = _came_from(path, arguments, _file_values())
    field = _field(path)
    if field is None:
        return f"{'.'.join(path)} ({place}): there is no such setting{_nearest('.'.join(path), _names())}"
    if _is_section(field) and len(path) == 1:
        return f"{path[0]} ({place}): is a section: write [{path[0]}] and its settings below, or {variable(path)}_…"
    value = MASK if "Secret" in str(field.annotation) else repr(_plain(problem["input"]))
    limits = allowed_values(field)
    wrong = problem["msg"].removeprefix("Value error, ") + _example(problem, field, place)
    return f"{'.'.join(path)} = {value} ({place}): {wrong}{'. Allowed: ' + limits if limits else ''}"


def _plain(given: Any) -> Any:
    return str(given) if isinstance(given, Path) else given


def _example(problem: Any, field: FieldInfo, place: str) -> str:
    """Where a table or a list is wanted, how the default is written there: a variable takes JSON."""
    if problem["type"] not in ("dict_type", "list_type") or not field.default:
        return ""
    return f", such as {json.dumps(field.default) if place.startswith('variable') else _as_toml(field.default)}"


def _field(path: tuple[str, ...]) -> FieldInfo | None:
    model: Any = Settings
    field: FieldInfo | None = None
    for name in path:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return field
        field = model.model_fields.get(name)
        if field is None:
            return None
        model = field.annotation
    return field


def _names() -> list[str]:
    return [".".join(path) for path, _, _ in _leaves(Settings.model_construct(), ())]


def _refuse_missing_file() -> None:
    if "RAPPORT_CONFIG" in os.environ and not config_file().is_file():
        raise WrongSettings(f"RAPPORT_CONFIG names {config_file()}, which is not a file: correct it, or unset it")


def _refuse_unknown_variables() -> None:
    """A mistyped variable would otherwise do nothing, silently."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | NOT_SETTINGS
    sections = {PREFIX + name.upper() + "_" for name, field in Settings.model_fields.items() if _is_section(field)}
    for name in sorted(os.environ):
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known and not upper.startswith(tuple(sections)):
            choices = [PREFIX + other.replace(".", "_").upper() for other in _names()]
            raise WrongSettings(f"{name} (variable): there is no such setting{_nearest(upper, choices)}")


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _nearest(name: str, choices: list[str]) -> str:
    near = difflib.get_close_matches(name, choices, 1)
    return f"; did you mean {near[0]}?" if near else "; `rapport config` lists all"
