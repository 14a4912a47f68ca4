-- What people decided about what is in quarantine, and its state beside it.

CREATE TABLE IF NOT EXISTS rapport_store.quarantine_decisions
(
    quarantine_id String COMMENT 'what it is about',
    decision_id String COMMENT 'a repeat of the same decision has the same',
    decision LowCardinality(String) COMMENT 'redriven or discarded',
    decided_by String COMMENT 'who',
    decided_at DateTime64(6, 'UTC') COMMENT 'when; the latest counts',
    why String COMMENT 'in the person''s words',
    fix Array(String) COMMENT 'the rules that were applied to the original, in order',
    event_id String COMMENT 'of what was redriven, or empty',
    id UInt64 COMMENT 'offset in the quarantine topic; the highest wins'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY (quarantine_id, decision_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Decisions about refused input; read through rapport.quarantine';

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
    encoding LowCardinality(String) COMMENT 'utf8 or base64',
    state String COMMENT 'waiting, redriven or discarded',
    decisions UInt64 COMMENT 'how many were made about it; the columns below are the latest''s',
    decided_by String COMMENT 'who decided; empty: nobody yet',
    decided_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when (UTC); null: not yet',
    why String COMMENT 'the reason of the decision, in that person''s words',
    fix Array(String) COMMENT 'the rules that were applied to the original before it was redriven, in order',
    redriven_event_id String COMMENT 'the event_id under which it was redriven, or empty'
)
AS SELECT quarantine_id, stage, reason, path, detail, topic, partition, offset, event_id, type, source, occurred_at,
    received_at, quarantined_at, original, encoding,
    if(made.decisions = 0, 'waiting', made.latest.1) AS state, made.decisions AS decisions, made.latest.2 AS decided_by,
    if(made.decisions = 0, NULL, made.latest.3) AS decided_at, made.latest.4 AS why, made.latest.5 AS fix,
    made.latest.6 AS redriven_event_id
FROM (SELECT * FROM rapport_store.quarantine FINAL) AS refused
LEFT ANY JOIN
(
    SELECT quarantine_id, uniqExact(decision_id) AS decisions,
        argMax((toString(decision), decided_by, decided_at, why, fix, event_id), (decided_at, decision_id)) AS latest
    FROM rapport_store.quarantine_decisions
    GROUP BY quarantine_id
) AS made USING (quarantine_id)
COMMENT 'One row a refused input, kept whole, and what a person decided about it';
