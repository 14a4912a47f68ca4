"""The topics as an AsyncAPI 3.0 document, for tools that draw or generate from it."""

from typing import Any

from schemas.catalogue import Entry, entries
from schemas.topics import TOPICS, TOUCHPOINTS, Topic

HEADERS = {
    "id": "the publishing stage's notification id: 1, 2, 3… over all it publishes. A crash may repeat messages: drop ids seen before.",
    "type": "the message's type, such as `touchpoint_applied`",
    "sequence": "the customer's or account's sequence: 1, 2, 3… without a hole",
    "quarantine_id": "of a redriven touchpoint: what it was in quarantine",
    "decision_id": "of a redriven touchpoint: the decision that redrove it, on the topic `quarantine`",
    "traceparent": "W3C trace context of what led to it, where that was traced",
}


def document() -> dict[str, Any]:
    messages = {entry.name: _message(entry) for entry in entries()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Rapport", "version": "1", "description": "What travels on Rapport's Kafka topics."},
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {f"{_action(topic)}-{topic.name}": _operation(topic) for topic in TOPICS},
        "components": {"messages": messages},
    }


def _names(topic: Topic) -> list[str]:
    return [entry.name for entry in entries() if entry.topic is topic]


def _channel(topic: Topic) -> dict[str, Any]:
    kafka = {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": {"cleanup.policy": [topic.config()["cleanup.policy"]]},
    }
    return {
        "address": topic.name,
        "description": topic.what,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(topic)},
        "bindings": {"kafka": kafka},
    }


def _action(topic: Topic) -> str:
    """From the point of view of the application that is described, Rapport: it receives touchpoints and sends the rest."""
    return "receive" if topic is TOUCHPOINTS else "send"


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": _action(topic),
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in _names(topic)],
    }


def _message(entry: Entry) -> dict[str, Any]:
    headers = {name: {"type": "string", "description": HEADERS[name]} for name in entry.topic.headers}
    return {
        "name": entry.name,
        "title": entry.title,
        "contentType": "application/json",
        "headers": {"type": "object", "properties": headers},
        "bindings": {"kafka": {"key": {"type": "string", "description": entry.topic.key}}},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./json/{entry.name}.schema.json"},
        },
    }
