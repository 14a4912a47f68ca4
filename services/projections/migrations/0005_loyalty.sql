-- Loyalty accounts, and the ledger that they add up to.

CREATE TABLE IF NOT EXISTS rapport_store.loyalty_accounts
(
    account UUID COMMENT 'the account''s id: its customer''s',
    sequence UInt64 COMMENT 'of the account''s changes, up to which this is true; the highest wins',
    as_of DateTime64(6, 'UTC') COMMENT 'when the snapshot was made',
    merged_into Nullable(UUID) COMMENT 'the account that holds everything now; null: this one lives',
    programme LowCardinality(String) COMMENT 'the programme''s name',
    balance Int64 COMMENT 'points',
    available Int64 COMMENT 'points that can be spent',
    pending Int64 COMMENT 'points whose available_from lies ahead',
    earned Int64 COMMENT 'points in all, less reversals',
    expired Int64 COMMENT 'points',
    redeemed Int64 COMMENT 'points',
    adjusted Int64 COMMENT 'points given less taken by hand',
    tier LowCardinality(String) COMMENT 'current tier, or empty',
    tier_since Nullable(DateTime64(6, 'UTC')) COMMENT 'since when',
    tier_until Nullable(DateTime64(6, 'UTC')) COMMENT 'when it is looked at again',
    qualifying Int64 COMMENT 'points or spend in the trailing window',
    next_expiry_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when points expire next',
    next_expiry_points Int64 COMMENT 'how many',
    lot_ids Array(String) COMMENT 'open lots: ids',
    lot_rules Array(String) COMMENT 'open lots: rules that earned them',
    lot_earned_at Array(DateTime64(6, 'UTC')) COMMENT 'open lots: when earned',
    lot_expires_at Array(Nullable(DateTime64(6, 'UTC'))) COMMENT 'open lots: when they expire',
    lot_remaining Array(Int64) COMMENT 'open lots: points left; negative: owed'
)
ENGINE = ReplacingMergeTree(sequence)
ORDER BY account
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Latest snapshot of every account, merged ones too; read through rapport.loyalty_accounts';

CREATE OR REPLACE VIEW rapport.loyalty_accounts
(
    account_id UUID COMMENT 'the account''s id: its customer''s',
    customer_id UUID COMMENT 'the customer as known now',
    programme LowCardinality(String) COMMENT 'the programme''s name',
    balance Int64 COMMENT 'points: the sum of the ledger; negative after a refund of spent points',
    available Int64 COMMENT 'points that can be spent now',
    pending Int64 COMMENT 'points that become available later',
    earned Int64 COMMENT 'earned and bonus points in all, less reversals',
    expired Int64 COMMENT 'points that expired',
    redeemed Int64 COMMENT 'points that were spent',
    adjusted Int64 COMMENT 'points given less taken by hand; balance = earned - expired - redeemed + adjusted',
    tier LowCardinality(String) COMMENT 'current tier; empty: none',
    tier_since Nullable(DateTime64(6, 'UTC')) COMMENT 'since when (UTC)',
    tier_until Nullable(DateTime64(6, 'UTC')) COMMENT 'when the tier is looked at again (UTC)',
    qualifying Int64 COMMENT 'points or spend in the trailing window that decides the tier',
    next_expiry_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when points expire next (UTC); null: never',
    next_expiry_points Int64 COMMENT 'how many points expire then',
    lot_ids Array(String) COMMENT 'open lots: ids; the five lot columns run in parallel (ARRAY JOIN them)',
    lot_rules Array(String) COMMENT 'open lots: the rules that earned them',
    lot_earned_at Array(DateTime64(6, 'UTC')) COMMENT 'open lots: when they were earned (UTC)',
    lot_expires_at Array(Nullable(DateTime64(6, 'UTC'))) COMMENT 'open lots: when they expire (UTC); null: never',
    lot_remaining Array(Int64) COMMENT 'open lots: points left; negative: owed',
    sequence UInt64 COMMENT 'how many changes the account has had',
    as_of DateTime64(6, 'UTC') COMMENT 'when this was true (UTC)'
)
AS SELECT
    a.account AS account_id,
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), a.account, m.customer) AS customer_id,
    a.programme AS programme, a.balance AS balance, a.available AS available, a.pending AS pending,
    a.earned AS earned, a.expired AS expired, a.redeemed AS redeemed, a.adjusted AS adjusted, a.tier AS tier, a.tier_since AS tier_since, a.tier_until AS tier_until,
    a.qualifying AS qualifying, a.next_expiry_at AS next_expiry_at, a.next_expiry_points AS next_expiry_points,
    a.lot_ids AS lot_ids, a.lot_rules AS lot_rules, a.lot_earned_at AS lot_earned_at, a.lot_expires_at AS lot_expires_at,
    a.lot_remaining AS lot_remaining, a.sequence AS sequence, a.as_of AS as_of
FROM rapport_store.loyalty_accounts AS a FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = a.account
WHERE isNull(a.merged_into)
COMMENT 'One row a living loyalty account';

CREATE TABLE IF NOT EXISTS rapport_store.loyalty_ledger
(
    entry_id String COMMENT 'unique for ever: ACCOUNT:SEQUENCE',
    account UUID COMMENT 'the account',
    sequence UInt64 COMMENT 'its place among the account''s changes',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when it was posted',
    effective_at DateTime64(6, 'UTC') COMMENT 'the moment of the fact',
    cause String COMMENT 'event_id, clock, merge:CUSTOMER or programme:VERSION',
    programme LowCardinality(String) COMMENT 'the programme''s name',
    ledger LowCardinality(String) COMMENT 'points or stored_value',
    currency LowCardinality(String) COMMENT 'of stored_value, or empty',
    kind LowCardinality(String) COMMENT 'earn, bonus, reverse, expire, redeem, adjust, settle, compensate',
    corrects String COMMENT 'of compensate: entry_id of the corrected entry, or empty',
    corrected_kind LowCardinality(String) COMMENT 'of compensate: its kind, or empty',
    amount Int64 COMMENT 'points or minor units',
    balance Int64 COMMENT 'of the account after this entry',
    lot_id String COMMENT 'the lot',
    source_event String COMMENT 'event_id of the touchpoint that earned the lot, or took from it',
    rule LowCardinality(String) COMMENT 'the rule, or empty',
    rule_version Nullable(UInt32) COMMENT 'its version',
    available_from Nullable(DateTime64(6, 'UTC')) COMMENT 'of the lot',
    expires_at Nullable(DateTime64(6, 'UTC')) COMMENT 'of the lot',
    id UInt64 COMMENT 'notification id of loyalty-events'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY (account, sequence, entry_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Ledger entries as they arrived; read through rapport.loyalty_ledger';

CREATE OR REPLACE VIEW rapport.loyalty_ledger
(
    entry_id String COMMENT 'unique for ever',
    account_id UUID COMMENT 'the account; its entries add up to its balance',
    customer_id UUID COMMENT 'the customer as known now, merges included',
    sequence UInt64 COMMENT 'its place among the account''s changes',
    effective_at DateTime64(6, 'UTC') COMMENT 'the moment of the fact, or at which the lot expired (UTC)',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when it was posted (UTC)',
    kind LowCardinality(String) COMMENT 'earn, bonus, reverse, expire, redeem, adjust, settle (one lot makes up for another) or compensate',
    corrects String COMMENT 'of compensate: entry_id of the entry that should have been otherwise; empty: none',
    corrected_kind LowCardinality(String) COMMENT 'of compensate: the kind of that entry; empty: the entry''s own kind counts',
    amount Int64 COMMENT 'points (or minor units of stored value); negative takes away',
    balance Int64 COMMENT 'the account''s balance after this entry',
    programme LowCardinality(String) COMMENT 'the programme''s name',
    ledger LowCardinality(String) COMMENT 'points or stored_value',
    currency LowCardinality(String) COMMENT 'of stored_value; empty for points',
    rule LowCardinality(String) COMMENT 'the rule that decided; empty: none',
    rule_version Nullable(UInt32) COMMENT 'the rule''s version',
    lot_id String COMMENT 'the lot that the entry adds to or takes from',
    source_event String COMMENT 'event_id of the touchpoint that earned the lot, or took from it',
    cause String COMMENT 'why it was posted: an event_id, clock, merge:CUSTOMER or programme:VERSION',
    available_from Nullable(DateTime64(6, 'UTC')) COMMENT 'from when the lot can be spent (UTC)',
    expires_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when the lot expires (UTC)',
    notification_id UInt64 COMMENT 'id of the message on loyalty-events'
)
AS SELECT
    l.entry_id AS entry_id, l.account AS account_id,
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), l.account, m.customer) AS customer_id,
    l.sequence AS sequence, l.effective_at AS effective_at, l.recorded_at AS recorded_at, l.kind AS kind, l.corrects AS corrects, l.corrected_kind AS corrected_kind, l.amount AS amount,
    l.balance AS balance, l.programme AS programme, l.ledger AS ledger, l.currency AS currency, l.rule AS rule,
    l.rule_version AS rule_version, l.lot_id AS lot_id, l.source_event AS source_event, l.cause AS cause,
    l.available_from AS available_from, l.expires_at AS expires_at, l.id AS notification_id
FROM rapport_store.loyalty_ledger AS l FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = l.account
COMMENT 'One row an entry of the ledger; posted entries are never edited';

CREATE TABLE IF NOT EXISTS rapport_store.loyalty_changes
(
    account UUID COMMENT 'the account that changed',
    sequence UInt64 COMMENT 'its place among the account''s changes',
    event LowCardinality(String) COMMENT 'what happened',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when the loyalty stage decided',
    effective_at DateTime64(6, 'UTC') COMMENT 'when it became so',
    cause String COMMENT 'event_id, clock, merge:CUSTOMER or programme:VERSION',
    programme LowCardinality(String) COMMENT 'the programme''s name, or empty',
    before LowCardinality(String) COMMENT 'tier before, or empty',
    after LowCardinality(String) COMMENT 'tier after, or empty',
    qualifying Int64 COMMENT 'points or minor units that decided',
    survivor Nullable(UUID) COMMENT 'the account it was merged into',
    id UInt64 COMMENT 'notification id of loyalty-events'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY (account, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Changes of accounts but ledger entries; read through rapport.loyalty_changes';

CREATE OR REPLACE VIEW rapport.loyalty_changes
(
    account_id UUID COMMENT 'the account that changed',
    customer_id UUID COMMENT 'the customer as known now, merges included',
    sequence UInt64 COMMENT 'its place among the account''s changes',
    event LowCardinality(String) COMMENT 'tier_changed or account_merged_into',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when Rapport decided (UTC)',
    effective_at DateTime64(6, 'UTC') COMMENT 'when it became so (UTC)',
    cause String COMMENT 'an event_id, clock, merge:CUSTOMER or programme:VERSION',
    programme LowCardinality(String) COMMENT 'the programme''s name; empty for a merge',
    tier_before LowCardinality(String) COMMENT 'of tier_changed; empty: none before',
    tier_after LowCardinality(String) COMMENT 'of tier_changed',
    qualifying Int64 COMMENT 'points or minor units in the trailing window that decided',
    survivor_id Nullable(UUID) COMMENT 'of account_merged_into: the account that holds everything now',
    notification_id UInt64 COMMENT 'id of the message on loyalty-events'
)
AS SELECT
    c.account AS account_id,
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), c.account, m.customer) AS customer_id,
    c.sequence AS sequence, c.event AS event, c.recorded_at AS recorded_at, c.effective_at AS effective_at, c.cause AS cause,
    c.programme AS programme, c.before AS tier_before, c.after AS tier_after, c.qualifying AS qualifying, c.survivor AS survivor_id,
    c.id AS notification_id
FROM rapport_store.loyalty_changes AS c FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = c.account
COMMENT 'Tiers and merges of loyalty accounts, each with its cause';
