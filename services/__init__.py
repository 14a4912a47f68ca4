"""Rapport's services, and how events flow through them.

::

    channels ─HTTP─▶ ingest ─▶ touchpoints ─▶ profile ─▶ profile-events ─▶ loyalty ─▶ loyalty-events ─┐
                       │            │                └─▶ profiles (compacted)    └─▶ loyalty-accounts   │
                       └▶ quarantine└──────────────────────────┴──────────────────────────┴────────────▶ projections ─▶ ClickHouse

``touchpoints`` is kept for ever: it is the truth, all else can be built again from it.
"""
