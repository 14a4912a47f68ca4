-- Every touchpoint once. The order by time keeps FINAL cheap: parts that do not overlap in time need no merging to be read.

CREATE TABLE IF NOT EXISTS rapport_store.touchpoints
(
    event_id String COMMENT 'the channel''s own id, unique for ever',
    type LowCardinality(String) COMMENT 'call, email, chat, purchase …',
    version UInt16 COMMENT 'version of the payload''s schema',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it happened',
    received_at DateTime64(6, 'UTC') COMMENT 'when Rapport received it',
    original_timestamp Nullable(DateTime64(6, 'UTC')) COMMENT 'what the channel''s clock said, where it was corrected',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when it was counted for its customer',
    source LowCardinality(String) COMMENT 'which channel instance',
    identifiers Array(String) COMMENT 'how the channel knew the customer, as type:value',
    direction LowCardinality(String) COMMENT 'inbound, outbound, or empty',
    conversation String COMMENT 'conversation id, case:ID for a case, or empty',
    sentiment Nullable(Float64) COMMENT 'from -1 to 1',
    payload String COMMENT 'JSON, as it came' CODEC(ZSTD(1)),
    context String COMMENT 'JSON, as it came' CODEC(ZSTD(1)),
    anchor UUID COMMENT 'id of the identifier that the touchpoint belongs to; never changes',
    customer_at UUID COMMENT 'the customer at that time',
    sequence UInt64 COMMENT 'its place among that customer''s changes',
    id UInt64 COMMENT 'notification id of profile-events',
    INDEX by_anchor anchor TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(id)
PARTITION BY toYear(occurred_at)
ORDER BY (occurred_at, event_id)
SETTINGS index_granularity = 4096, non_replicated_deduplication_window = 1000, fsync_after_insert = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1
COMMENT 'Touchpoints as they arrived; read them through rapport.touchpoints';

CREATE OR REPLACE VIEW rapport.touchpoints
(
    event_id String COMMENT 'the channel''s own id, unique for ever',
    customer_id UUID COMMENT 'the customer it belongs to now, merges included',
    type LowCardinality(String) COMMENT 'call, email, chat, social, message, visit, purchase, refund, case, survey, opportunity, membership, need, identify, consent, link or custom',
    version UInt16 COMMENT 'version of the payload''s schema',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it happened (UTC)',
    received_at DateTime64(6, 'UTC') COMMENT 'when Rapport received it (UTC)',
    original_timestamp Nullable(DateTime64(6, 'UTC')) COMMENT 'what the channel''s own clock said, where it was corrected',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when it was counted for its customer (UTC)',
    source LowCardinality(String) COMMENT 'which channel instance, such as shop-berlin',
    identifiers Array(String) COMMENT 'how the channel knew the customer, normalised, as type:value',
    direction LowCardinality(String) COMMENT 'inbound: the customer spoke; outbound: we did; empty where neither applies',
    conversation String COMMENT 'the conversation it is part of, or case:ID, or empty',
    sentiment Nullable(Float64) COMMENT '-1 angry, 0 neutral, 1 delighted; null: unknown',
    payload String COMMENT 'what the channel said, as JSON: JSONExtractString(payload, ''subject'')',
    context String COMMENT 'the circumstances, as JSON',
    anchor UUID COMMENT 'id of the identifier that it belongs to for ever: whoever holds that is its customer',
    customer_at UUID COMMENT 'the customer for which it was counted when it came',
    sequence UInt64 COMMENT 'its place among the changes of customer_at',
    notification_id UInt64 COMMENT 'id of the message on profile-events'
)
AS SELECT
    t.event_id AS event_id,
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), t.customer_at, m.customer) AS customer_id,
    t.type AS type, t.version AS version,
    t.occurred_at AS occurred_at, t.received_at AS received_at, t.original_timestamp AS original_timestamp, t.recorded_at AS recorded_at,
    t.source AS source, t.identifiers AS identifiers, t.direction AS direction, t.conversation AS conversation,
    t.sentiment AS sentiment, t.payload AS payload, t.context AS context,
    t.anchor AS anchor, t.customer_at AS customer_at, t.sequence AS sequence, t.id AS notification_id
FROM rapport_store.touchpoints AS t FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = t.anchor
COMMENT 'Every touchpoint once, with its customer as known now';

CREATE OR REPLACE VIEW rapport.timeline
AS WITH
    (SELECT if(count() = 0, toUUID({customer:String}), any(customer)) FROM rapport_store.moved WHERE identifier = toUUID({customer:String})) AS holder
SELECT
    t.event_id AS event_id, assumeNotNull(holder) AS customer_id, t.type AS type, t.occurred_at AS occurred_at, t.source AS source,
    t.direction AS direction, t.conversation AS conversation, t.sentiment AS sentiment, t.payload AS payload, t.context AS context,
    t.identifiers AS identifiers, t.anchor AS anchor, t.id AS notification_id
FROM rapport_store.touchpoints AS t FINAL
PREWHERE anchor IN
(
    SELECT identifier FROM rapport_store.identifier_holders
    WHERE identifier IN (SELECT identifier FROM rapport_store.identifier_holders WHERE customer = holder)
    GROUP BY identifier
    HAVING argMax(customer, id) = holder
)
COMMENT 'One customer''s touchpoints, fast however many there are: SELECT * FROM rapport.timeline(customer = ''…'') ORDER BY occurred_at. Takes any id the customer ever had';
