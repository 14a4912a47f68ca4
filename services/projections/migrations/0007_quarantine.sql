-- What could not be taken in, whole, with the reason.

CREATE TABLE IF NOT EXISTS rapport_store.quarantine
(
    quarantine_id String COMMENT 'the same bad input has the same id',
    stage LowCardinality(String) COMMENT 'which stage refused it',
    reason LowCardinality(String) COMMENT 'one word',
    path String COMMENT 'the field',
    detail String COMMENT 'what is wrong, and the remedy',
    topic LowCardinality(String) COMMENT 'where it was read, or empty',
    partition Nullable(Int32) COMMENT 'where it was read',
    offset Nullable(Int64) COMMENT 'where it was read',
    event_id String COMMENT 'as far as it could be read, or empty',
    type String COMMENT 'as far as it could be read, or empty',
    source String COMMENT 'as far as it could be read, or empty',
    occurred_at String COMMENT 'as far as it could be read, or empty',
    received_at DateTime64(6, 'UTC') COMMENT 'when it came',
    quarantined_at DateTime64(6, 'UTC') COMMENT 'when it was refused',
    original String COMMENT 'as it came' CODEC(ZSTD(3)),
    encoding LowCardinality(String) COMMENT 'utf8 or base64',
    id UInt64 COMMENT 'offset in the quarantine topic; the highest wins'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY quarantine_id
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Refused input; read through rapport.quarantine';

CREATE OR REPLACE VIEW rapport.quarantine
(
    quarantine_id String COMMENT 'TOPIC:PARTITION:OFFSET, or ingest:DIGEST; the same bad input has the same id however often it came',
    stage LowCardinality(String) COMMENT 'which stage refused it',
    reason LowCardinality(String) COMMENT 'one word, such as invalid or conflicting_duplicate',
    path String COMMENT 'the field, such as $.payload.total_minor',
    detail String COMMENT 'what is wrong, and the remedy',
    topic LowCardinality(String) COMMENT 'where it was read; empty: over HTTP',
    partition Nullable(Int32) COMMENT 'where it was read; null: over HTTP',
    offset Nullable(Int64) COMMENT 'where it was read; null: over HTTP',
    event_id String COMMENT 'as far as it could be read; empty: not',
    type String COMMENT 'as far as it could be read; empty: not',
    source String COMMENT 'as far as it could be read; empty: not',
    occurred_at String COMMENT 'as it was told, valid or not; empty: not read',
    received_at DateTime64(6, 'UTC') COMMENT 'when it came (UTC)',
    quarantined_at DateTime64(6, 'UTC') COMMENT 'when it was refused (UTC)',
    original String COMMENT 'the bytes as they came: text, or base64',
    encoding LowCardinality(String) COMMENT 'utf8 or base64'
)
AS SELECT quarantine_id, stage, reason, path, detail, topic, partition, offset, event_id, type, source, occurred_at,
    received_at, quarantined_at, original, encoding
FROM rapport_store.quarantine FINAL
COMMENT 'One row a refused input, kept whole until a person fixes or discards it';

-- Up to where the topics have been read. Written after the rows: what is read again changes nothing.
CREATE TABLE IF NOT EXISTS rapport_store.positions
(
    topic LowCardinality(String) COMMENT 'the topic',
    partition UInt32 COMMENT 'its partition',
    next UInt64 COMMENT 'the next offset to read; the highest wins',
    timestamp DateTime64(3, 'UTC') COMMENT 'Kafka''s time of the last message before it',
    written_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'when this was written'
)
ENGINE = ReplacingMergeTree(next)
ORDER BY (topic, partition)
SETTINGS fsync_after_insert = 1
COMMENT 'Up to where each partition has been read';
