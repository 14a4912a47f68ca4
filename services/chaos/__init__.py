"""The fault bench: real traffic through real processes, faults injected on purpose, and everything counted afterwards.

::

    traffic ─▶ sender ─▶ [ingest … ClickHouse, as processes] ◀─ scenarios (what goes wrong)
       └────────────────────▶ log ─▶ reference (a plain fold) ─▶ invariants ◀─ what views, topics and stores say

``reference`` shares no code with the stages but ``schemas`` and the normalising of identifiers. ``rapport chaos`` runs it.
"""
