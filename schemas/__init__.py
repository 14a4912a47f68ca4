"""What travels between Rapport's stages: one place for every message, in the words of ``docs/events.md``.

* ``touchpoints``: what channels send (the published pydantic models).
* ``upcasting``: older versions of them, read as the newest.
* ``profile_events``, ``loyalty_events``, ``quarantine``: what the stages publish.
* ``topics``: the Kafka topics, their keys, retention and message types.
* ``compiled``: the same models as msgspec structs, for reading and writing at full speed.
* ``times``: the one spelling of a moment.
"""
