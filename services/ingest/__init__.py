"""The HTTP door: touchpoints and Segment calls in, Kafka's ``touchpoints`` and ``quarantine`` out.

::

    request ─▶ request_body ─▶ authentication ─▶ items ─▶ (segment) ─▶ admission ─▶ append ─▶ answer
                                                                          └─▶ quarantined ─┘

``items``, ``segment``, ``segment_orders``, ``admission`` and ``quarantined`` are pure. An answer of 200 means that Kafka
has acknowledged every accepted and every rejected item.
"""
