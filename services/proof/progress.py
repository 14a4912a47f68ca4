"""What is said while a long piece of work goes on."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""(what is being done, how much is done, of how much; 0: not known)"""
