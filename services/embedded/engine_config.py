"""What the ClickHouse engine is told when it starts, and what every connection to it begins with. Pure."""

from pathlib import Path
from urllib.parse import urlencode
from xml.sax.saxutils import escape

DISPLAY_NAME = "rapport"
MEGABYTE = 1024 * 1024

CONNECTION_SETTINGS = {
    # An insert is acknowledged when its part is on disk, not when it is queued; deduplication tokens need this too.
    "async_insert": "0",
    # Blocks are joined up to this size before they are written: an insert's memory.
    "min_insert_block_size_bytes": str(64 * MEGABYTE),
    # A query takes one thread for each such part of the free memory; by the engine's own measure, a gigabyte, none would take two.
    "max_threads_min_free_memory_per_thread": str(64 * MEGABYTE),
    # What reads a file is the query's own thread: handing each piece to another and back took a third of what looks one customer up.
    "local_filesystem_read_method": "pread",
    # The engine's own convenience for its command line: a server takes no `1 + 1`.
    "implicit_select": "0",
    "allow_introspection_functions": "0",
}

NATIVE_PROTOCOL_SETTINGS = {
    # JSON columns go out as text, which clients of the native protocol read at any revision (those of HTTP may not).
    "output_format_native_write_json_as_string": "1",
}


def config_xml(max_memory_bytes: int) -> str:
    """A server configuration for a small machine; inserts are flushed to disk before they are acknowledged."""
    return f"""<clickhouse>
  <display_name>{escape(DISPLAY_NAME)}</display_name>
  <max_server_memory_usage>{max_memory_bytes}</max_server_memory_usage>
  <mark_cache_size>{32 * MEGABYTE}</mark_cache_size>
  <index_mark_cache_size>{8 * MEGABYTE}</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <mmap_cache_size>100</mmap_cache_size>
  <background_pool_size>4</background_pool_size>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <max_concurrent_queries>200</max_concurrent_queries>
  <merge_tree>
    <fsync_after_insert>1</fsync_after_insert>
    <fsync_part_directory>1</fsync_part_directory>
    <max_bytes_to_merge_at_max_space_in_pool>{4096 * MEGABYTE}</max_bytes_to_merge_at_max_space_in_pool>
    <number_of_free_entries_in_pool_to_execute_mutation>2</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>2</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
  </merge_tree>
</clickhouse>
"""


def connection_string(directory: Path, config: Path) -> str:
    return f"{directory}?{urlencode({'config-file': str(config), **CONNECTION_SETTINGS})}"
