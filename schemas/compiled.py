"""The published pydantic models as msgspec structs, made from their fields and limits: the same checks, ten times as fast.

pydantic stays the one place where a message is described; a test feeds every example, good and bad, to both.
"""

import re
import types
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

NO_NUL = r"^[^\x00]*$"
"""Left out of the structs: ``schemas.reading`` looks for NUL once, in the bytes, and a pattern a field takes as long as all else."""

_LIMITS = (
    (annotated_types.Ge, "ge"),
    (annotated_types.Gt, "gt"),
    (annotated_types.Le, "le"),
    (annotated_types.Lt, "lt"),
    (annotated_types.MinLen, "min_length"),
    (annotated_types.MaxLen, "max_length"),
)


@cache
def struct_of(model: type[BaseModel], replaced: tuple[tuple[str, Any], ...] = ()) -> type[msgspec.Struct]:
    """A struct with the model's fields, defaults and limits; unknown fields are refused where the model refuses them.

    ``replaced`` names fields that take another type, such as ``("payload", msgspec.Raw)`` to pass bytes on as they came.
    """
    required: list[tuple[str, Any]] = []
    optional: list[tuple[str, Any, Any]] = []
    others = dict(replaced)
    for name, field in model.model_fields.items():
        annotation = others.get(name) or _limited(_converted(field.annotation), field.metadata)
        if field.is_required():
            required.append((name, annotation))
        else:
            optional.append((name, annotation, _default(field)))
    return msgspec.defstruct(
        model.__name__,
        [*required, *optional],
        kw_only=True,
        gc=False,
        forbid_unknown_fields=model.model_config.get("extra") == "forbid",
        omit_defaults=False,
    )


def _default(field: FieldInfo) -> Any:
    value: Any = field.get_default(call_default_factory=True)
    return msgspec.field(default_factory=type(value)) if isinstance(value, list | dict) else value


def _converted(annotation: Any) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _limited(_converted(arguments[0]), _flat(arguments[1:]))
    if origin in (Union, types.UnionType):
        return Union[tuple(_converted(argument) for argument in arguments)]  # noqa: UP007
    if origin is Literal:
        return annotation
    if origin in (list, dict):
        return origin[tuple(_converted(argument) for argument in arguments)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return struct_of(annotation)
    if getattr(annotation, "__name__", "") == "AwareDatetime":
        return Annotated[datetime, msgspec.Meta(tz=True)]
    return annotation


def _flat(metadata: tuple[Any, ...]) -> list[Any]:
    return [item for entry in metadata for item in (entry.metadata if isinstance(entry, FieldInfo) else [entry])]


def _limited(annotation: Any, metadata: list[Any]) -> Any:
    limits: dict[str, Any] = {}
    for item in metadata:
        for kind, name in _LIMITS:
            if isinstance(item, kind):
                limits[name] = getattr(item, name)
        if pattern := getattr(item, "pattern", None):
            text = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
            if text != NO_NUL:
                limits["pattern"] = text
    if not limits:
        return annotation
    return Annotated[annotation, msgspec.Meta(**limits)]
