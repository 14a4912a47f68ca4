"""From quarantine back into the log: ``paths`` and ``rules`` say how a fix changes an original, ``redriving`` whether the result would be
taken in, ``decisions`` how a decision is told. All pure; ``services/cli/quarantine_redriving.py`` reads and writes."""
