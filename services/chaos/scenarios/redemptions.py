"""Points that many tills want at once."""

from services.chaos.play import Play, Scenario
from services.chaos.quiet import client_of
from services.chaos.tills import Spend, Told, spent

TOGETHER = 100
AFFORDABLE = 60
"""Of the hundred, at most."""
KILLED_AFTER = 30


def one_account(it: Play) -> None:
    """A hundred redemptions of one account, some sent twice; in full, of several accounts, and loyalty dies among them."""
    it.send(it.requests if it.full else it.parts(4)[0])
    it.answered()
    it.quiet()
    rich = client_of(it.stack).execute(
        "SELECT toString(account_id), balance FROM rapport.loyalty_accounts ORDER BY balance DESC, account_id LIMIT %(most)s",
        {"most": it.times(1, 5)},
    )
    for account, balance in rich:
        _spend(it, account, balance)


def _spend(it: Play, account: str, balance: int) -> None:
    least = balance // AFFORDABLE + 1
    spends = [Spend(f"{account}-{it.seed}-{number}", account, it.rnd.randint(least, 2 * least)) for number in range(TOGETHER)]
    asked = [again for number, spend in enumerate(spends) for again in [spend] * (1 + (number % 3 == 0))]
    it.harm("a redemption of the same account at once", len(spends))
    it.harm("a redemption sent twice", len(asked) - len(spends))
    answers: dict[Spend, list[Told]] = {}
    for number, told in enumerate(spent(it.stack, "loyalty", asked)):
        answers.setdefault(told.spend, []).append(told)
        if it.full and number == KILLED_AFTER:
            it.stack.kill("loyalty")
            it.harm("kill -9 of loyalty among redemptions")
    accepted = {spend for spend, told in answers.items() if any(one.accepted for one in told)}
    left = balance - sum(spend.points for spend in accepted)
    it.must(left >= 0, f"{account} had {balance} points, and {balance - left} were spent")
    it.must(0 < len(accepted) < TOGETHER, f"{len(accepted)} of {TOGETHER} were accepted, which proves nothing")
    it.must(all(spend.points > left for spend in answers if spend not in accepted), f"{account}: refused what {left} points could pay")
    twice = [told for told in answers.values() if told[0].accepted and any(one.said != told[0].said for one in told)]
    it.must(not twice, f"{account}: a repeat was answered otherwise: {twice[:1]}")
    it.quiet()
    client = client_of(it.stack)
    ((shown,),) = client.execute("SELECT balance FROM rapport.loyalty_accounts WHERE account_id = %(id)s", {"id": account})
    it.must(shown == left, f"{account}: {left} points should be left, {shown} are shown")
    query = "SELECT redemption_id, toString(asked_id), points FROM rapport.redemptions WHERE redemption_id IN %(ids)s"
    rows = client.execute(query, {"ids": [spend.id for spend in spends]})
    it.must({Spend(*row) for row in rows} == accepted, f"{account}: other redemptions are shown than were accepted")
    it.notes[f"redemptions of {account[:8]}"] = f"{len(accepted)} of {TOGETHER} accepted, {left} of {balance} points left"


SCENARIOS = (Scenario("redemptions", 21, "100 redemptions of one account at once", one_account, short=True),)
