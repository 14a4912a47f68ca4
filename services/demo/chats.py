"""The real chats: each message a touchpoint, known by the session and the person's handle."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.demo.wire import DAY, Named, Touchpoint, touchpoint

FILE = Path(__file__).parent / "data" / "chats.ndjson.gz"
SOURCE = "webchat"
WEEKS = 364
"""28 years, as the purchases move, would put the chats of 2018 into the future. Whole weeks keep weekdays and hours."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message; ``at`` in seconds since 1970, moved forward."""

    sender: str
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation. ``customer`` is the sender who is taken to be the customer."""

    conversation_id: str
    customer: str
    messages: list[Said]

    @property
    def session(self) -> Named:
        return "anonymous_id", f"chat-{self.conversation_id}"

    @property
    def handle(self) -> Named:
        return handle(self.customer)


def handle(person: str) -> Named:
    """How the chat knows a person who comes back."""
    return "handle", f"chitchat/{person[:13]}"


def recorded() -> list[Conversation]:
    """All conversations, in the file's order."""
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        raw = [json.loads(line) for line in lines]
    held = Counter(sender for conversation in raw for sender in {said["sender"] for said in conversation["messages"]})
    return [_conversation(conversation["conversation_id"], conversation["messages"], held) for conversation in raw]


def _conversation(conversation_id: str, messages: list[dict[str, str]], held: Counter[str]) -> Conversation:
    """Who is in fewer conversations asks; who is in more answers for the shop. Of equals the first to speak asks."""
    senders = list(dict.fromkeys(said["sender"] for said in messages))
    said = [Said(message["sender"], _moved(message["sent_at"]), message["text"]) for message in messages]
    return Conversation(conversation_id, min(senders, key=lambda sender: held[sender]), said)


def _moved(sent_at: str) -> int:
    return int(datetime.fromisoformat(sent_at).timestamp()) + WEEKS * 7 * DAY


def messages(conversations: list[Conversation]) -> Iterator[Touchpoint]:
    """One chat touchpoint a message; the last one closes the conversation."""
    for conversation in conversations:
        who = [conversation.handle, conversation.session]
        last = len(conversation.messages) - 1
        for index, said in enumerate(conversation.messages):
            payload = {
                "conversation_id": conversation.conversation_id,
                "direction": "inbound" if said.sender == conversation.customer else "outbound",
                "agent": _agent(conversation),
                "message": said.text,
                "closed": index == last,
            }
            yield touchpoint("chat", f"chat-{conversation.conversation_id}-{index:03d}", said.at, SOURCE, who, payload)


def _agent(conversation: Conversation) -> str | None:
    """The other one; None where only one side was recorded, as in four of ten."""
    other = next((said.sender for said in conversation.messages if said.sender != conversation.customer), None)
    return other and f"agent-{other[:8]}"
