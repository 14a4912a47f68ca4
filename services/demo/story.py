"""All of the demo's touchpoints in the order in which they happened, and what the database must answer afterwards."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import msgspec

from services.demo import accounts, chats, complaints, conversations, marketing, sales, shop
from services.demo.mistakes import Mistakes, mistakes
from services.demo.wire import Named, Touchpoint

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Figures:
    """What was bought, summed up from what is sent. Money in minor units of USD."""

    purchases: int
    buyers: int
    spent_minor: int
    best_customer: str
    best_spent_minor: int


@dataclass(frozen=True, slots=True)
class Story:
    """``lines`` are touchpoints as JSON, in the order of their time. ``by_type`` counts them."""

    lines: list[bytes]
    by_type: dict[str, int]
    figures: Figures
    mistakes: Mistakes


def story() -> Story:
    """Takes a few seconds."""
    opened = shop.opened()
    dated: list[tuple[str, str, bytes]] = []
    by_type: Counter[str] = Counter()
    for touchpoint in happenings(opened):
        by_type[touchpoint["type"]] += 1
        dated.append((touchpoint["occurred_at"], touchpoint["event_id"], _encode(touchpoint)))
    dated.sort()
    return Story([line for _, _, line in dated], dict(by_type), figures(opened), mistakes(opened))


def happenings(opened: shop.Shop) -> Iterator[Touchpoint]:
    """Everything, each source after the other."""
    talked = chats.recorded()
    taken = conversations.telephone(opened)
    complained = complaints.complaints(opened)
    return chain(
        shop.purchases(opened),
        chats.messages(talked),
        accounts.registrations(opened),
        accounts.memberships(opened),
        accounts.undone_links(opened),
        accounts.chat_logins(_sessions(talked), opened),
        marketing.campaigns(opened),
        marketing.visits(opened),
        marketing.social(opened),
        conversations.calls(taken),
        conversations.mails(opened),
        conversations.short_messages(opened),
        complaints.cases(complained),
        complaints.surveys(opened, complained, taken),
        sales.refunds(opened),
        sales.needs(opened),
        sales.opportunities(opened),
        sales.wishes(opened),
    )


def _sessions(talked: list[chats.Conversation]) -> list[tuple[Named, Named, int]]:
    """Each chatting person's first session."""
    first = {conversation.handle: conversation for conversation in reversed(talked)}
    return [(conversation.session, handle, conversation.messages[0].at) for handle, conversation in first.items()]


def figures(opened: shop.Shop) -> Figures:
    """The sums of what the shop sold."""
    spent: Counter[str] = Counter()
    for order in opened.orders:
        spent[order.customer] += order.total_minor
    best, most = spent.most_common(1)[0]
    return Figures(len(opened.orders), len(spent), spent.total(), best, most)
