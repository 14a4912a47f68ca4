-- What customers bought and gave back.

CREATE TABLE IF NOT EXISTS rapport_store.purchases
(
    event_id String COMMENT 'event_id of the touchpoint',
    order_id String COMMENT 'the shop''s id of the order',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it was paid',
    source LowCardinality(String) COMMENT 'which channel instance',
    store LowCardinality(String) COMMENT 'which shop, or empty',
    payment LowCardinality(String) COMMENT 'how it was paid, or empty',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    divisor UInt32 COMMENT 'minor units in a major one',
    total_minor Int64 COMMENT 'minor units',
    tax_minor Nullable(Int64) COMMENT 'minor units',
    shipping_minor Nullable(Int64) COMMENT 'minor units',
    lines UInt16 COMMENT 'how many lines',
    quantity UInt64 COMMENT 'pieces over all lines',
    anchor UUID COMMENT 'id of the identifier it belongs to',
    customer_at UUID COMMENT 'the customer at that time',
    id UInt64 COMMENT 'notification id of profile-events'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY (occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Purchases as they arrived; read them through rapport.purchases';

CREATE OR REPLACE VIEW rapport.purchases
(
    event_id String COMMENT 'event_id of the touchpoint',
    customer_id UUID COMMENT 'who bought, merges included',
    order_id String COMMENT 'the shop''s own id of the order',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it was paid (UTC)',
    source LowCardinality(String) COMMENT 'which channel instance',
    store LowCardinality(String) COMMENT 'which shop; empty: not told',
    payment LowCardinality(String) COMMENT 'how it was paid; empty: not told',
    currency LowCardinality(String) COMMENT 'ISO 4217 code, such as EUR',
    total Decimal(18, 2) COMMENT 'what the customer paid, tax and shipping included (currencies of three decimals are cut to two: total_minor is exact)',
    total_minor Int64 COMMENT 'the same in minor units, such as cents',
    tax Nullable(Decimal(18, 2)) COMMENT 'tax included in total; null: not told',
    tax_minor Nullable(Int64) COMMENT 'the same in minor units',
    shipping Nullable(Decimal(18, 2)) COMMENT 'shipping included in total; null: not told',
    shipping_minor Nullable(Int64) COMMENT 'the same in minor units',
    lines UInt16 COMMENT 'how many lines the order has',
    quantity UInt64 COMMENT 'pieces over all lines'
)
AS SELECT
    p.event_id AS event_id,
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), p.customer_at, m.customer) AS customer_id,
    p.order_id AS order_id, p.occurred_at AS occurred_at, p.source AS source, p.store AS store, p.payment AS payment, p.currency AS currency,
    toDecimal64(p.total_minor, 2) / p.divisor AS total, p.total_minor AS total_minor,
    toDecimal64(p.tax_minor, 2) / p.divisor AS tax, p.tax_minor AS tax_minor,
    toDecimal64(p.shipping_minor, 2) / p.divisor AS shipping, p.shipping_minor AS shipping_minor,
    p.lines AS lines, p.quantity AS quantity
FROM rapport_store.purchases AS p FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = p.anchor
COMMENT 'One row a purchase; refunds are in rapport.refunds';

CREATE TABLE IF NOT EXISTS rapport_store.purchase_lines
(
    event_id String COMMENT 'event_id of the purchase',
    line UInt16 COMMENT '1, 2, 3… in the order of the purchase',
    order_id String COMMENT 'the shop''s id of the order',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it was paid',
    sku String COMMENT 'the article',
    name String COMMENT 'name of the article, or empty',
    category LowCardinality(String) COMMENT 'category of the article, or empty',
    quantity UInt32 COMMENT 'pieces',
    unit_price_minor Nullable(Int64) COMMENT 'minor units',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    divisor UInt32 COMMENT 'minor units in a major one',
    anchor UUID COMMENT 'id of the identifier it belongs to',
    customer_at UUID COMMENT 'the customer at that time',
    id UInt64 COMMENT 'notification id of profile-events'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY (occurred_at, event_id, line)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Lines of purchases as they arrived; read them through rapport.purchase_lines';

CREATE OR REPLACE VIEW rapport.purchase_lines
(
    event_id String COMMENT 'event_id of the purchase',
    line UInt16 COMMENT '1, 2, 3… in the order of the purchase',
    customer_id UUID COMMENT 'who bought, merges included',
    order_id String COMMENT 'the shop''s own id of the order',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it was paid (UTC)',
    sku String COMMENT 'the article',
    name String COMMENT 'name of the article; empty: not told',
    category LowCardinality(String) COMMENT 'category of the article; empty: not told',
    quantity UInt32 COMMENT 'pieces',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    unit_price Nullable(Decimal(18, 2)) COMMENT 'price of one piece; null where only the order''s total is known',
    unit_price_minor Nullable(Int64) COMMENT 'the same in minor units',
    amount Nullable(Decimal(38, 2)) COMMENT 'quantity times unit_price',
    amount_minor Nullable(Int128) COMMENT 'the same in minor units'
)
AS SELECT
    l.event_id AS event_id, l.line AS line,
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), l.customer_at, m.customer) AS customer_id,
    l.order_id AS order_id, l.occurred_at AS occurred_at, l.sku AS sku, l.name AS name, l.category AS category,
    l.quantity AS quantity, l.currency AS currency,
    toDecimal64(l.unit_price_minor, 2) / l.divisor AS unit_price, l.unit_price_minor AS unit_price_minor,
    toDecimal128(toInt128(l.unit_price_minor) * l.quantity, 2) / l.divisor AS amount, toInt128(l.unit_price_minor) * l.quantity AS amount_minor
FROM rapport_store.purchase_lines AS l FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = l.anchor
COMMENT 'One row a line of a purchase';

CREATE TABLE IF NOT EXISTS rapport_store.refunds
(
    event_id String COMMENT 'event_id of the touchpoint',
    refund_id String COMMENT 'the shop''s id of the refund',
    order_id String COMMENT 'the shop''s id of the order',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it was given back',
    source LowCardinality(String) COMMENT 'which channel instance',
    reason String COMMENT 'why, or empty',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    divisor UInt32 COMMENT 'minor units in a major one',
    amount_minor Int64 COMMENT 'minor units',
    anchor UUID COMMENT 'id of the identifier it belongs to',
    customer_at UUID COMMENT 'the customer at that time',
    id UInt64 COMMENT 'notification id of profile-events'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY (occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Refunds as they arrived; read them through rapport.refunds';

CREATE OR REPLACE VIEW rapport.refunds
(
    event_id String COMMENT 'event_id of the touchpoint',
    customer_id UUID COMMENT 'who got it back, merges included',
    refund_id String COMMENT 'the shop''s own id of the refund',
    order_id String COMMENT 'the order that was given back, whole or in part',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it was given back (UTC)',
    source LowCardinality(String) COMMENT 'which channel instance',
    reason String COMMENT 'why; empty: not told',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    amount Decimal(38, 2) COMMENT 'what was given back',
    amount_minor Int64 COMMENT 'the same in minor units'
)
AS SELECT
    r.event_id AS event_id,
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), r.customer_at, m.customer) AS customer_id,
    r.refund_id AS refund_id, r.order_id AS order_id, r.occurred_at AS occurred_at, r.source AS source, r.reason AS reason,
    r.currency AS currency, toDecimal128(r.amount_minor, 2) / r.divisor AS amount, r.amount_minor AS amount_minor
FROM rapport_store.refunds AS r FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = r.anchor
ORDER BY occurred_at, event_id
LIMIT 1 BY customer_id, refund_id
COMMENT 'One row a refund of a customer; a refund that was told again under another event_id counts once, by its first fact';
