"""One file a table: its columns, and ``to_rows``, which turns a message into rows and does nothing else."""
