"""Loyalty: ``profile-events`` in, ``loyalty-events`` and ``loyalty-accounts`` out.

::

    profile-events ─▶ statements ─▶ facts, by anchor ─▶ account (the fold) ─▶ posting ─▶ loyalty-events
                          └────────▶ holders ───────────────▲                    └─────▶ loyalty-accounts

An account is a pure fold over its customer's facts in fact order and the programme's rules; the ledger is what has been
posted. ``account``, ``earning``, ``refunds``, ``lots``, ``tiers``, ``facts``, ``posting`` and ``programme`` are pure; ``stage``
reads the event store; ``app`` wires it to Kafka.
"""
