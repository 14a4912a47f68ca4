"""Everything that was published → ClickHouse: tables and views for analysts, exact however often a message comes.

``messages`` reads, ``tables`` (one pure file a table) turns a message into rows, ``routing`` says which message feeds which
tables, ``sink`` writes, ``migrations`` makes the tables, ``queries`` asks them.
"""
