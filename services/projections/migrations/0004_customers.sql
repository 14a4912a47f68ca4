-- Customers as the profile stage last showed them, and everything that ever changed them.

CREATE TABLE IF NOT EXISTS rapport_store.customers
(
    customer UUID COMMENT 'the customer''s id',
    sequence UInt64 COMMENT 'of the customer''s changes, up to which this is true; the highest wins',
    as_of DateTime64(6, 'UTC') COMMENT 'when the snapshot was made',
    merged_into Nullable(UUID) COMMENT 'the customer that holds everything now; null: this one lives',
    identifiers Array(String) COMMENT 'type:value',
    customer_ids Array(String) COMMENT 'values of type customer_id',
    emails Array(String) COMMENT 'mail addresses',
    phones Array(String) COMMENT 'telephone numbers',
    traits Map(String, String) COMMENT 'latest value of each trait; what is no text, as JSON',
    first_seen_at Nullable(DateTime64(6, 'UTC')) COMMENT 'first touchpoint',
    last_seen_at Nullable(DateTime64(6, 'UTC')) COMMENT 'last touchpoint',
    touchpoints UInt64 COMMENT 'how many',
    touchpoints_by_type Map(String, UInt64) COMMENT 'how many of each type',
    last_by_type Map(String, DateTime64(6, 'UTC')) COMMENT 'the last of each type',
    touchpoints_by_source Map(String, UInt64) COMMENT 'how many of each channel instance',
    usual_channel LowCardinality(String) COMMENT 'source with the most touchpoints, or empty',
    preferred_channel String COMMENT 'as declared, or empty',
    lifecycle LowCardinality(String) COMMENT 'prospect, new, active, at_risk, lost, won_back',
    orders UInt64 COMMENT 'how many purchases',
    currency LowCardinality(String) COMMENT 'the currency of most orders, or empty',
    divisor UInt32 COMMENT 'minor units in a major one',
    gross_minor Int64 COMMENT 'bought in that currency',
    refunded_minor Int64 COMMENT 'given back in that currency',
    net_minor Int64 COMMENT 'gross less refunded',
    average_order_minor Int64 COMMENT 'gross / orders in that currency',
    net_minor_by_currency Map(String, Int64) COMMENT 'in every currency',
    first_order_at Nullable(DateTime64(6, 'UTC')) COMMENT 'first purchase',
    last_order_at Nullable(DateTime64(6, 'UTC')) COMMENT 'last purchase',
    last_order_id String COMMENT 'the shop''s id of the last order, or empty',
    favourite_items Array(String) COMMENT 'by quantity bought, the most first',
    favourite_categories Array(String) COMMENT 'by quantity bought, the most first',
    cases UInt32 COMMENT 'complaints ever',
    open_cases Array(String) COMMENT 'ids of those that are not archived',
    oldest_open_case_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when the oldest of them was opened',
    surveys_asked UInt32 COMMENT 'surveys sent',
    surveys_answered UInt32 COMMENT 'surveys answered',
    csat_mean Nullable(Float64) COMMENT 'share of the scale, 0 to 1',
    csat_latest Nullable(Float64) COMMENT 'share of the scale, 0 to 1',
    nps_mean Nullable(Float64) COMMENT 'share of the scale, 0 to 1',
    ces_mean Nullable(Float64) COMMENT 'share of the scale, 0 to 1',
    perceived_to_expected Nullable(Float64) COMMENT 'of csat answers that say both',
    sentiment Nullable(Float64) COMMENT 'mean, -1 to 1',
    response_seconds_mean Nullable(Int64) COMMENT 'to the first reply',
    responses UInt32 COMMENT 'conversations and cases with a reply',
    awaiting_response UInt32 COMMENT 'conversations and cases without',
    open_needs Map(String, String) COMMENT 'category and what was said',
    opportunities Map(String, String) COMMENT 'id and step',
    memberships Map(String, String) COMMENT 'programme and step',
    consents Map(String, Bool) COMMENT 'purpose/channel and whether granted'
)
ENGINE = ReplacingMergeTree(sequence)
ORDER BY customer
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Latest snapshot of every customer, merged ones too; read through rapport.customers';

CREATE OR REPLACE VIEW rapport.customers
(
    customer_id UUID COMMENT 'the customer''s id, derived from its first identifier',
    customer_ids Array(String) COMMENT 'its ids in other systems: identifiers of type customer_id',
    identifiers Array(String) COMMENT 'every identifier it holds, as type:value',
    emails Array(String) COMMENT 'mail addresses',
    phones Array(String) COMMENT 'telephone numbers, E.164',
    traits Map(String, String) COMMENT 'latest value of each trait: traits[''city'']; what is no text, as JSON',
    lifecycle LowCardinality(String) COMMENT 'prospect, new, active, at_risk, lost or won_back',
    first_seen_at Nullable(DateTime64(6, 'UTC')) COMMENT 'first touchpoint (UTC)',
    last_seen_at Nullable(DateTime64(6, 'UTC')) COMMENT 'last touchpoint (UTC)',
    touchpoints UInt64 COMMENT 'how many touchpoints',
    touchpoints_by_type Map(String, UInt64) COMMENT 'how many of each type: touchpoints_by_type[''call'']',
    last_by_type Map(String, DateTime64(6, 'UTC')) COMMENT 'the last of each type (UTC)',
    touchpoints_by_source Map(String, UInt64) COMMENT 'how many through each channel instance',
    usual_channel LowCardinality(String) COMMENT 'channel instance with the most touchpoints; empty: none',
    preferred_channel String COMMENT 'what the customer declared; empty: nothing',
    orders UInt64 COMMENT 'frequency: how many purchases, over all currencies',
    currency LowCardinality(String) COMMENT 'the currency of most of its orders; empty: no order',
    gross Decimal(38, 2) COMMENT 'bought, in that currency',
    gross_minor Int64 COMMENT 'the same in minor units',
    refunded Decimal(38, 2) COMMENT 'given back, in that currency',
    refunded_minor Int64 COMMENT 'the same in minor units',
    net Decimal(38, 2) COMMENT 'monetary value: gross less refunded, in that currency',
    net_minor Int64 COMMENT 'the same in minor units',
    average_order Decimal(38, 2) COMMENT 'gross / orders in that currency',
    average_order_minor Int64 COMMENT 'the same in minor units, rounded half up',
    net_minor_by_currency Map(String, Int64) COMMENT 'net in every currency, in minor units',
    first_order_at Nullable(DateTime64(6, 'UTC')) COMMENT 'first purchase (UTC)',
    last_order_at Nullable(DateTime64(6, 'UTC')) COMMENT 'last purchase (UTC)',
    last_order_id String COMMENT 'the shop''s own id of the last order; empty: none',
    favourite_items Array(String) COMMENT 'articles by quantity bought, the most first',
    favourite_categories Array(String) COMMENT 'categories by quantity bought, the most first',
    cases UInt32 COMMENT 'complaints ever',
    open_cases Array(String) COMMENT 'ids of complaints that are not archived',
    oldest_open_case_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when the oldest open complaint was opened (UTC)',
    surveys_asked UInt32 COMMENT 'surveys sent',
    surveys_answered UInt32 COMMENT 'surveys answered',
    csat_mean Nullable(Float64) COMMENT 'mean satisfaction as a share of the scale, 0 to 1; null: unknown, not satisfied',
    csat_latest Nullable(Float64) COMMENT 'latest satisfaction as a share of the scale; null: unknown',
    nps_mean Nullable(Float64) COMMENT 'mean answer to "would you recommend us", as a share of the scale; null: unknown',
    ces_mean Nullable(Float64) COMMENT 'mean customer effort score, as a share of the scale; null: unknown',
    perceived_to_expected Nullable(Float64) COMMENT 'satisfaction as perceived / expected; 1: as expected; null: unknown',
    sentiment Nullable(Float64) COMMENT 'mean sentiment, -1 to 1; null: unknown',
    response_seconds_mean Nullable(Int64) COMMENT 'seconds from the first inbound message to our first reply, mean over conversations and cases; null: none',
    responses UInt32 COMMENT 'conversations and cases that got a reply',
    awaiting_response UInt32 COMMENT 'conversations and cases that wait for one',
    open_needs Map(String, String) COMMENT 'what it said to want and has not bought since: category and words',
    opportunities Map(String, String) COMMENT 'sales opportunities: id and latest step',
    memberships Map(String, String) COMMENT 'programmes: name and latest step',
    consents Map(String, Bool) COMMENT 'purpose/channel and whether consent is given now',
    sequence UInt64 COMMENT 'how many changes it has had',
    as_of DateTime64(6, 'UTC') COMMENT 'when this was true (UTC)'
)
AS SELECT
    c.customer AS customer_id, c.customer_ids AS customer_ids, c.identifiers AS identifiers, c.emails AS emails, c.phones AS phones,
    c.traits AS traits, c.lifecycle AS lifecycle, c.first_seen_at AS first_seen_at, c.last_seen_at AS last_seen_at,
    c.touchpoints AS touchpoints, c.touchpoints_by_type AS touchpoints_by_type, c.last_by_type AS last_by_type,
    c.touchpoints_by_source AS touchpoints_by_source, c.usual_channel AS usual_channel, c.preferred_channel AS preferred_channel,
    c.orders AS orders, c.currency AS currency,
    toDecimal128(c.gross_minor, 2) / c.divisor AS gross, c.gross_minor AS gross_minor,
    toDecimal128(c.refunded_minor, 2) / c.divisor AS refunded, c.refunded_minor AS refunded_minor,
    toDecimal128(c.net_minor, 2) / c.divisor AS net, c.net_minor AS net_minor,
    toDecimal128(c.average_order_minor, 2) / c.divisor AS average_order, c.average_order_minor AS average_order_minor,
    c.net_minor_by_currency AS net_minor_by_currency,
    c.first_order_at AS first_order_at, c.last_order_at AS last_order_at, c.last_order_id AS last_order_id,
    c.favourite_items AS favourite_items, c.favourite_categories AS favourite_categories,
    c.cases AS cases, c.open_cases AS open_cases, c.oldest_open_case_at AS oldest_open_case_at,
    c.surveys_asked AS surveys_asked, c.surveys_answered AS surveys_answered,
    c.csat_mean AS csat_mean, c.csat_latest AS csat_latest, c.nps_mean AS nps_mean, c.ces_mean AS ces_mean,
    c.perceived_to_expected AS perceived_to_expected, c.sentiment AS sentiment,
    c.response_seconds_mean AS response_seconds_mean, c.responses AS responses, c.awaiting_response AS awaiting_response,
    c.open_needs AS open_needs, c.opportunities AS opportunities, c.memberships AS memberships, c.consents AS consents,
    c.sequence AS sequence, c.as_of AS as_of
FROM rapport_store.customers AS c FINAL
WHERE isNull(c.merged_into) AND notEmpty(c.identifiers)
COMMENT 'One row a living customer (one that holds an identifier), one column a fact';

CREATE TABLE IF NOT EXISTS rapport_store.customer_changes
(
    customer UUID COMMENT 'the customer that changed',
    sequence UInt64 COMMENT 'its place among that customer''s changes',
    event LowCardinality(String) COMMENT 'what happened',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when the profile stage decided',
    effective_at DateTime64(6, 'UTC') COMMENT 'when it became so',
    cause String COMMENT 'event_id of the touchpoint, or clock',
    other Nullable(UUID) COMMENT 'the other customer',
    identifiers Array(String) COMMENT 'identifiers that moved or were refused, as type:value',
    before LowCardinality(String) COMMENT 'lifecycle before, or empty',
    after LowCardinality(String) COMMENT 'lifecycle after, or empty',
    reason String COMMENT 'why a link was refused, or empty',
    id UInt64 COMMENT 'notification id of profile-events'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY (customer, sequence)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Changes of customers but touchpoints; read through rapport.customer_changes';

CREATE OR REPLACE VIEW rapport.customer_changes
(
    customer_id UUID COMMENT 'the customer as known now, merges included',
    changed_id UUID COMMENT 'the customer id that changed then',
    sequence UInt64 COMMENT 'its place among the changes of changed_id',
    event LowCardinality(String) COMMENT 'customers_merged, customer_merged_into, identifiers_joined, identifiers_left, link_refused or lifecycle_changed',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when Rapport decided (UTC)',
    effective_at DateTime64(6, 'UTC') COMMENT 'when it became so (UTC); recorded_at but for lifecycle_changed',
    cause String COMMENT 'event_id of the touchpoint that caused it; clock for time alone',
    other_id Nullable(UUID) COMMENT 'the other customer of a merge or move',
    identifiers Array(String) COMMENT 'identifiers that came or left, as type:value; of link_refused: the one that stays, the one refused',
    lifecycle_before LowCardinality(String) COMMENT 'of lifecycle_changed; empty: none before',
    lifecycle_after LowCardinality(String) COMMENT 'of lifecycle_changed',
    reason String COMMENT 'of link_refused: limit:TYPE or shared',
    notification_id UInt64 COMMENT 'id of the message on profile-events'
)
AS SELECT
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), c.customer, m.customer) AS customer_id,
    c.customer AS changed_id, c.sequence AS sequence, c.event AS event, c.recorded_at AS recorded_at, c.effective_at AS effective_at,
    c.cause AS cause, c.other AS other_id, c.identifiers AS identifiers, c.before AS lifecycle_before, c.after AS lifecycle_after,
    c.reason AS reason, c.id AS notification_id
FROM rapport_store.customer_changes AS c FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = c.customer
COMMENT 'Everything that changed customers besides touchpoints: merges, moves, refused links (possible duplicates), stages of life; each with its cause';
