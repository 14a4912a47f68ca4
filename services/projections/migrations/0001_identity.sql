-- Who holds an identifier now. Identifiers move between customers when a link is found or undone; touchpoints never do.

CREATE TABLE IF NOT EXISTS rapport_store.identifier_holders
(
    identifier UUID COMMENT 'id derived from the identifier; never changes',
    type LowCardinality(String) COMMENT 'customer_id, loyalty_card, email, phone, handle, device, anonymous_id, or a type of your own',
    value String COMMENT 'the normalised value',
    customer UUID COMMENT 'the customer that holds it from this notification on',
    since DateTime64(6, 'UTC') COMMENT 'when the profile stage decided so',
    id UInt64 COMMENT 'notification id of profile-events; the highest wins, whatever the order of arrival',
    INDEX by_customer customer TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_value value TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(id)
ORDER BY identifier
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Every identifier and its holder; read through rapport.customer_identifiers';

-- Only identifiers that ever changed hands: what every view joins to find the customer of a row, so that the join stays small.
CREATE TABLE IF NOT EXISTS rapport_store.identifier_moves
(
    identifier UUID COMMENT 'id derived from the identifier',
    customer UUID COMMENT 'the customer that holds it from this notification on',
    id UInt64 COMMENT 'notification id of profile-events; the highest wins'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY identifier
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Identifiers that moved from one customer to another, and who holds them now';

CREATE OR REPLACE VIEW rapport_store.moved
(
    identifier UUID COMMENT 'an identifier (or a former customer id, which is the id of an identifier)',
    customer UUID COMMENT 'the customer that holds it now'
)
AS SELECT identifier, customer
FROM rapport_store.identifier_moves FINAL
COMMENT 'What the views of rapport join to resolve customers';

CREATE OR REPLACE VIEW rapport.customer_identifiers
(
    identifier_id UUID COMMENT 'id derived from the identifier; any id that was ever a customer id is one of these',
    type LowCardinality(String) COMMENT 'customer_id, loyalty_card, email, phone, handle, device, anonymous_id, or a type of your own',
    value String COMMENT 'the normalised value',
    customer_id UUID COMMENT 'the customer that holds it now',
    since DateTime64(6, 'UTC') COMMENT 'when it was found to be this customer''s'
)
AS SELECT identifier AS identifier_id, type, value, customer AS customer_id, since
FROM rapport_store.identifier_holders FINAL
COMMENT 'One row an identifier: who holds it now. Former ids of merged customers resolve here too';
