"""What scenarios do alike to a connection that is in use."""

from services.chaos.play import Play
from services.chaos.proxy import Proxy


def cut_and_lose(it: Play, proxy: Proxy, engine: str) -> None:
    """Two messages to the engine arrive half; then two of its answers not at all: what was asked for was done, and nobody learns it."""
    cut, lost = proxy.cut + 2, proxy.lost + 2
    proxy.cut_messages(2)
    it.until(lambda: proxy.cut >= cut or "not cut yet", "messages to be cut")
    it.harm(f"a message to {engine} cut in the middle", 2)
    proxy.lose_answers(2)
    it.until(lambda: proxy.lost >= lost or "not lost yet", "answers to be lost")
    it.harm(f"an answer of {engine} lost", 2)
