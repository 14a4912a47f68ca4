"""What is decided by a shorter way is what the long one says."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.profile.identifiers import IdentityPolicy, Name, Names
from services.profile.identity import LinkedSet, Member, extended, first_seen, is_known, observe, strongest_first
from tests.profile.touchpoints import IDENTIFIERS

POLICY = IdentityPolicy(limits={"customer_id": 1, "email": 2}, partner_limit=2)
pack = msgspec.msgpack.encode
copied = msgspec.msgpack.Decoder(LinkedSet).decode


def names(identifiers: Sequence[str]) -> list[Name]:
    known = Names(POLICY)
    return strongest_first([name for one in identifiers if (name := known.of(*one.split(":", 1), "US"))])


facts = st.tuples(st.integers(0, 40), st.lists(st.sampled_from(IDENTIFIERS), min_size=1, max_size=4, unique=True))


@given(st.lists(facts, max_size=20))
def test_a_touchpoint_that_moves_nobody_is_taken_in_as_the_long_way_would(log: list[tuple[int, list[str]]]) -> None:
    sets: dict[str, LinkedSet] = {}
    for number, (moment, identifiers) in enumerate(log):
        told, fact = names(identifiers), (f"{moment:04}", f"e{number:04}")
        known = list({one.id: one for name in told if (one := sets.get(name.key))}.values())
        shorter = copied(pack(known[0])) if len(known) == 1 else None
        unchanged = pack([shorter]) if shorter and is_known(shorter, told, fact) else None
        joined = extended(POLICY, shorter, told, fact) if shorter else None
        begun = first_seen(POLICY, told, fact) if not known else None
        observed = observe(POLICY, known, told, fact)
        if shorter and joined is not None:
            assert pack(observed.sets) == pack([shorter])
            moved: list[tuple[Member, str | None]] = [(one.member, one.before) for one in observed.moved]
            assert (moved, observed.refused) == ([(member, None) for member in joined], [])
        if unchanged:
            assert pack(observed.sets) == unchanged
        if begun:
            assert [(one.members, one.links) for one in observed.sets] == [(begun.members, begun.links)]
        for one in observed.sets:
            sets.update(dict.fromkeys(one.members, one))


CUSTOMER, FIRST, SECOND, PHONE = "customer_id:1", "email:u1@example.org", "email:u2@example.org", "phone:+12025550101"


def test_a_value_that_one_partner_more_makes_shared_is_taken_in_the_long_way() -> None:
    found = first_seen(POLICY, names([CUSTOMER, FIRST]), ("1", "e1"))
    assert found is not None
    for number, said in enumerate(((CUSTOMER, PHONE), (FIRST, PHONE), (CUSTOMER, SECOND)), 2):
        assert extended(POLICY, found, names(said), (str(number), "e")) is not None
    assert extended(POLICY, found, names([SECOND, PHONE]), ("5", "e")) is None
    assert extended(POLICY, found, names([FIRST, PHONE]), ("6", "e")) is not None, "a partner that it has already"


def test_identifiers_that_are_new_come_in_the_order_of_their_ids() -> None:
    found = first_seen(POLICY, names([CUSTOMER, FIRST]), ("1", "e1"))
    assert found is not None
    said = names([CUSTOMER, SECOND, PHONE, *(f"anonymous_id:a{n}" for n in range(4))])
    joined = extended(POLICY, found, said, ("2", "e2"))
    assert joined is not None
    assert [member.id for member in joined] == sorted(name.id for name in said[1:]) != [name.id for name in said[1:]]


def test_identifiers_of_one_type_are_no_partners_of_each_other() -> None:
    found = first_seen(POLICY, names([CUSTOMER, FIRST]), ("1", "e1"))
    assert found is not None
    assert extended(POLICY, found, names([CUSTOMER, SECOND]), ("2", "e2")) is not None
    assert extended(POLICY, found, names([FIRST, SECOND]), ("3", "e3")) is not None
    assert found.members[SECOND].partners == [CUSTOMER]


def test_an_earlier_fact_of_a_link_is_news_though_both_identifiers_were_seen_before_it() -> None:
    # given: two identifiers, each seen alone, and linked later
    sets = [observe(POLICY, [], names([one]), ("1", one)).sets[0] for one in (CUSTOMER, FIRST)]
    (linked,) = observe(POLICY, sets, names([CUSTOMER, FIRST]), ("5", "e5")).sets

    assert is_known(linked, names([CUSTOMER, FIRST]), ("6", "e6"))
    assert not is_known(linked, names([CUSTOMER, FIRST]), ("3", "e3"))
