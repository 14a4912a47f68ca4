"""The profile stage: touchpoints in, one customer out.

``identifiers`` and ``identity`` say who is who, ``facts`` adds up what is known by anchor, ``lifecycle`` what follows from
it by time, ``snapshot`` shows it whole; all pure. ``customers`` loads and keeps, ``stage`` decides a batch, ``app`` runs.
"""
