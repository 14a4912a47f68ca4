"""Simulated people: what each of the shop's customers might be called, and how each channel might know them.

Mail addresses end in example.com and its like, and telephone numbers are 555-01xx: reserved, so they are nobody's.
"""

from dataclasses import dataclass
from functools import cache

from services.demo.dice import Dice
from services.demo.wire import Named

FIRST_NAMES = (  # noqa: SIM905 (names read better as a text)
    "Ada Amir Anna Aisha Ben Bruno Carla Chen Clara Daniel Dana Diego Elena Elif Emma Erik Fatima Felix Grace Hana Hugo Ines Ivan Jack "
    "Jana Jonas Julia Kai Karin Lara Leo Lena Luis Maria Max Mei Mila Mona Nadia Nils Nora Omar Paula Pedro Priya Ravi Rosa Sam Sara "
    "Sofia Theo Tom Uma Vera Victor Wei Yara Yusuf Zoe"
).split()
LAST_NAMES = (  # noqa: SIM905 (names read better as a text)
    "Adams Ahmed Bauer Becker Brown Chen Costa Cruz Dahl Diaz Evans Fischer Garcia Gomez Green Haas Hall Hansen Ito Jensen Jones Kaya "
    "Keller Khan Kim King Klein Kumar Lang Lee Lopez Martin Meyer Miller Moore Novak Olsen Patel Perez Petrov Rossi Roth Russo Sato "
    "Schmidt Silva Singh Smith Stone Tanaka Taylor Torres Vogel Wagner Walker Wang Weber White Wong Young"
).split()
CITIES = "Austin Boston Chicago Dallas Denver Detroit Houston Miami Oakland Philadelphia Phoenix Portland Seattle Tucson".split()  # noqa: SIM905
MAIL_HOSTS = ("example.com", "example.org", "example.net")
NETWORKS = ("instagram", "x", "facebook", "tiktok")
OFFICE_PHONE = "+1 800 555 0100"
"""One number for a whole office: linked to so many customers that it identifies none."""

_AREAS = [f"{first}{second}{third}" for first in range(2, 10) for second in range(9) for third in range(10) if (second, third) != (1, 1)]
_NUMBERS_AN_AREA = 100


@dataclass(frozen=True, slots=True)
class Person:
    """A customer of the shop, as the simulation imagines one. ``registered``: has an account, so channels can be linked."""

    number: str
    first_name: str
    last_name: str
    city: str
    birthday: str
    mail_host: str
    network: str
    registered: bool
    gave_phone: bool

    @property
    def customer_id(self) -> Named:
        return "customer_id", self.number

    @property
    def email(self) -> Named:
        return "email", f"{self.first_name}.{self.last_name}.{self.number}@{self.mail_host}".lower()

    @property
    def email_as_typed(self) -> Named:
        """The same address as another channel spells it."""
        kind, value = self.email
        return kind, value.title()

    @property
    def phone(self) -> Named:
        """One number each; a few pairs share one, as couples do."""
        index = int(self.number)
        if self.shares_phone:
            index -= index % 2
        return "phone", f"+1{_AREAS[index // _NUMBERS_AN_AREA]}55501{index % _NUMBERS_AN_AREA:02d}"

    @property
    def phone_as_dialled(self) -> Named:
        """The same number as a telephone exchange writes it."""
        kind, number = self.phone
        return kind, f"({number[2:5]}) {number[5:8]}-{number[8:]}"

    @property
    def shares_phone(self) -> bool:
        return int(self.number) // 2 % 97 == 0

    @property
    def handle(self) -> Named:
        return "handle", f"{self.network}/{self.first_name.lower()}_{self.number}"

    @property
    def card(self) -> Named:
        return "loyalty_card", f"GC-{int(self.number):08d}"

    def browser(self, which: int = 1) -> Named:
        return "anonymous_id", f"web-{self.number}-{which}"


@cache
def person(number: str) -> Person:
    """The person behind a customer number: always the same one."""
    dice = Dice(f"person {number}")
    return Person(
        number,
        dice.pick(FIRST_NAMES),
        dice.pick(LAST_NAMES),
        dice.pick(CITIES),
        f"{dice.between(1945, 2004)}-{dice.between(1, 12):02d}-{dice.between(1, 28):02d}",
        dice.pick(MAIL_HOSTS),
        dice.pick(NETWORKS),
        registered=dice.chance(0.4),
        gave_phone=dice.chance(0.6),
    )
