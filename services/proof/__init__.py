"""Proofs: what is shown is compared with what the log says, and built again from it.

``refold`` folds ``touchpoints`` through fresh stages; ``shown`` is what is compared; ``profile_state``, ``loyalty_state`` and
``tables`` say what of each store counts as state, and ``*_compared`` find who differs; ``verify`` does it on a live installation;
``rebuild`` makes ClickHouse's tables again beside the live ones, and ``switch_over`` puts them in their place.
"""
