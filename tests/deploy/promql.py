"""What a PromQL expression asks for, by a real parser."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import promql_parser as promql


class Asked(NamedTuple):
    """One selector: a sample's name, and the labels that it matches with their patterns."""

    name: str
    matched: dict[str, str]


def parsed(expression: str) -> Any:
    """Raises ValueError for what is no PromQL. Grafana's own variables are filled in first, as Grafana does it."""
    return promql.parse(re.sub(r"\$__\w*interval", "5m", expression).replace("$stage", ".*"))


def selectors(expression: str) -> list[Asked]:
    """Every selector, from left to right."""
    return [Asked(one.name, {match.name: match.value for match in one.matchers.matchers}) for one in _selectors(parsed(expression))]


def grouped_by(expression: str) -> set[str]:
    """Every label by which something is aggregated or matched."""
    found: set[str] = set()
    for node in _nodes(parsed(expression)):
        if isinstance(node, promql.AggregateExpr) and node.modifier:
            found.update(node.modifier.labels)
        if isinstance(node, promql.BinaryExpr) and node.modifier and node.modifier.matching:
            found.update(node.modifier.matching.labels)
    return found


def labels_left(node: Any, labels_of_sample: dict[str, set[str]]) -> set[str]:
    """The labels of what an expression gives, from those that its samples have; it asks for one sample at least."""
    if isinstance(node, promql.AggregateExpr):
        return set(node.modifier.labels) if node.modifier else set()
    if isinstance(node, promql.BinaryExpr):
        return set.intersection(*(labels_left(side, labels_of_sample) for side in (node.lhs, node.rhs) if list(_selectors(side))))
    if isinstance(node, promql.Call):
        if node.func.name == "absent":
            return {match.name for one in _selectors(node) for match in one.matchers.matchers}
        (inner,) = (labels_left(argument, labels_of_sample) for argument in node.args if list(_selectors(argument)))
        return inner - ({"le"} if node.func.name == "histogram_quantile" else set())
    if isinstance(node, promql.ParenExpr | promql.SubqueryExpr):
        return labels_left(node.expr, labels_of_sample)
    (selector,) = _selectors(node)
    return labels_of_sample[selector.name]


def _selectors(node: Any) -> Iterator[Any]:
    return (one for one in _nodes(node) if isinstance(one, promql.VectorSelector))


def _nodes(node: Any) -> list[Any]:
    found: list[Any] = []
    promql.walk(node, found.append)
    return found
