-- One customer in a few milliseconds: ClickHouse takes a quarter of one for every column that a query names, and a view has forty-eight.

CREATE TABLE IF NOT EXISTS rapport_store.profiles
(
    customer UUID COMMENT 'the customer''s id',
    sequence UInt64 COMMENT 'how many changes it has had; the highest wins',
    profile String COMMENT 'the snapshot as it was published, JSON' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(sequence)
ORDER BY customer
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Latest snapshot of every customer, merged ones too, for whoever looks one up; analysts read rapport.customers';

CREATE OR REPLACE VIEW rapport_store.anchors
AS WITH
    (SELECT if(count() = 0, toUUID({customer:String}), any(customer)) FROM rapport_store.moved WHERE identifier = toUUID({customer:String})) AS holder
SELECT identifier, assumeNotNull(holder) AS customer_id
FROM rapport_store.identifier_holders AS h
WHERE h.identifier IN (SELECT identifier FROM rapport_store.identifier_holders WHERE customer = holder)
GROUP BY h.identifier
HAVING argMax(h.customer, h.id) = holder
COMMENT 'The identifiers of whoever holds this one now';
