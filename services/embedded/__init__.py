"""Kafka and ClickHouse on one machine, for people who have neither.

`stack.py` says which processes to run; `kafka.py` and `clickhouse_server.py` are those processes. Everything listens on
loopback only and keeps its files in one data directory.
"""
