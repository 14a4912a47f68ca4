"""What the rebuild of a stage's store needs to know of the stage: one adapter each for profile and loyalty."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from services.proof.folding import Fold, Said
from services.proof.refold import Place
from services.proof.scope import Scope
from services.proof.stores_compared import Compared
from services.runtime.event_store import EventStore, RecordedEvent, Transaction
from services.runtime.stage import Stage
from services.runtime.stage_process import StageProcess
from services.runtime.store_snapshot import StoreSnapshot


class StorePlan(Protocol):
    """``process``: the stage. ``later``: records of its input to be folded last. ``digest``: of all configuration that its state
    depends on."""

    process: StageProcess
    digest: str

    @property
    def later(self) -> Collection[Place]: ...

    def stage(self, store: EventStore, now_ms: int, whole: bool) -> Stage:
        """The stage's business part over a scratch store, for input that is all in the past of ``now_ms``. ``whole``: the rows that it
        writes say all; else its events may say what came after them."""

    def heard(self, events: Sequence[RecordedEvent]) -> None:
        """The next events that the live stage has published. Raises HistoryBroken."""

    def feed(self, fold: Fold, stage: Stage) -> None:
        """Facts that are not in the stage's input, once more if need be."""

    def settle(self, fold: Fold, stage: Stage) -> None:
        """Has the stage write what its store would say only together with its memory, or with its events."""

    def folded(self, events: Iterable[Said]) -> None:
        """The next events of the fold."""

    def compare(self, fold: StoreSnapshot, live: StoreSnapshot, beside: StoreSnapshot, now_ms: int, scope: Scope) -> Compared:
        """The live state with the fold's, as of one moment; who waits for the clock is set apart. ``beside``: a store with what was
        published."""

    def lost(self) -> int:
        """How many facts were published that the stage's input does not have. Raises Contradicted."""

    def fill(self, fold: StoreSnapshot, beside: StoreSnapshot) -> Iterator[Transaction]:
        """The fold's state with what was published, for a store that holds nothing but the published events."""

    def finish(self, fold: Fold, beside: EventStore, spoken_of: set[str], wrong: set[str], now_ms: int) -> Iterator[Transaction]:
        """What changed since ``fill``, by what was published since (about ``spoken_of``) and by the fold, whose rows are whole from there
        on; then the events that are still to be published. ``wrong``: whose published snapshot may be wrong."""
