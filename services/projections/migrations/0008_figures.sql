-- Figures that are asked for first. All of them are views: never out of date, never counted twice. Means are made of decimals and
-- whole numbers: a sum of floats depends on the order of the rows.

CREATE OR REPLACE VIEW rapport.customer_360
(
    customer_id UUID COMMENT 'the customer',
    customer_ids Array(String) COMMENT 'its ids in other systems',
    identifiers Array(String) COMMENT 'every identifier, as type:value',
    emails Array(String) COMMENT 'mail addresses',
    phones Array(String) COMMENT 'telephone numbers',
    traits Map(String, String) COMMENT 'latest value of each trait',
    lifecycle LowCardinality(String) COMMENT 'prospect, new, active, at_risk, lost or won_back',
    first_seen_at Nullable(DateTime64(6, 'UTC')) COMMENT 'first touchpoint (UTC)',
    last_seen_at Nullable(DateTime64(6, 'UTC')) COMMENT 'last touchpoint (UTC)',
    touchpoints UInt64 COMMENT 'how many touchpoints',
    usual_channel LowCardinality(String) COMMENT 'channel instance with the most touchpoints',
    preferred_channel String COMMENT 'what the customer declared; empty: nothing',
    recency_days Nullable(Int64) COMMENT 'days since the last purchase; null: none',
    orders UInt64 COMMENT 'frequency: how many purchases',
    currency LowCardinality(String) COMMENT 'the currency of most of its orders',
    net Decimal(38, 2) COMMENT 'monetary value: bought less given back, in that currency',
    net_minor Int64 COMMENT 'the same in minor units',
    average_order Decimal(38, 2) COMMENT 'mean order in that currency',
    last_order_at Nullable(DateTime64(6, 'UTC')) COMMENT 'last purchase (UTC)',
    favourite_categories Array(String) COMMENT 'categories by quantity bought',
    favourite_items Array(String) COMMENT 'articles by quantity bought',
    open_cases Array(String) COMMENT 'ids of open complaints',
    cases UInt32 COMMENT 'complaints ever',
    csat_mean Nullable(Float64) COMMENT 'mean satisfaction, 0 to 1; null: unknown',
    perceived_to_expected Nullable(Float64) COMMENT 'satisfaction as perceived / expected; null: unknown',
    sentiment Nullable(Float64) COMMENT 'mean sentiment, -1 to 1; null: unknown',
    response_seconds_mean Nullable(Int64) COMMENT 'seconds to our first reply, mean; null: none',
    awaiting_response UInt32 COMMENT 'conversations and complaints that wait for a reply',
    open_needs Map(String, String) COMMENT 'what it said to want and has not bought since',
    memberships Map(String, String) COMMENT 'programmes: name and latest step',
    consents Map(String, Bool) COMMENT 'purpose/channel and whether consent is given now',
    programme LowCardinality(String) COMMENT 'loyalty programme; empty: no account',
    tier LowCardinality(String) COMMENT 'loyalty tier; empty: none',
    points Int64 COMMENT 'loyalty balance',
    points_available Int64 COMMENT 'loyalty points that can be spent now',
    next_expiry_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when points expire next (UTC)',
    next_expiry_points Int64 COMMENT 'how many points expire then',
    as_of DateTime64(6, 'UTC') COMMENT 'when this was true of the profile (UTC)'
)
AS SELECT
    c.customer_id AS customer_id, c.customer_ids AS customer_ids, c.identifiers AS identifiers, c.emails AS emails, c.phones AS phones,
    c.traits AS traits, c.lifecycle AS lifecycle, c.first_seen_at AS first_seen_at, c.last_seen_at AS last_seen_at,
    c.touchpoints AS touchpoints, c.usual_channel AS usual_channel, c.preferred_channel AS preferred_channel,
    dateDiff('day', c.last_order_at, now64(6, 'UTC')) AS recency_days,
    c.orders AS orders, c.currency AS currency, c.net AS net, c.net_minor AS net_minor, c.average_order AS average_order,
    c.last_order_at AS last_order_at, c.favourite_categories AS favourite_categories, c.favourite_items AS favourite_items,
    c.open_cases AS open_cases, c.cases AS cases, c.csat_mean AS csat_mean, c.perceived_to_expected AS perceived_to_expected,
    c.sentiment AS sentiment, c.response_seconds_mean AS response_seconds_mean, c.awaiting_response AS awaiting_response,
    c.open_needs AS open_needs, c.memberships AS memberships, c.consents AS consents,
    a.programme AS programme, a.tier AS tier, a.balance AS points, a.available AS points_available,
    a.next_expiry_at AS next_expiry_at, a.next_expiry_points AS next_expiry_points, c.as_of AS as_of
FROM rapport.customers AS c
LEFT ANY JOIN rapport.loyalty_accounts AS a ON a.customer_id = c.customer_id
COMMENT 'One row a living customer: profile and loyalty account side by side';

CREATE OR REPLACE VIEW rapport.rfm
(
    customer_id UUID COMMENT 'the customer',
    currency LowCardinality(String) COMMENT 'the currency of most of its orders',
    recency_days Int64 COMMENT 'days since the last purchase',
    frequency UInt64 COMMENT 'how many purchases',
    monetary Decimal(38, 2) COMMENT 'bought less given back, in currency',
    monetary_minor Int64 COMMENT 'the same in minor units',
    r UInt8 COMMENT 'recency quintile, 5: bought most recently; equal customers get equal scores',
    f UInt8 COMMENT 'frequency quintile, 5: bought most often',
    m UInt8 COMMENT 'monetary quintile among customers of the same currency, 5: spent most',
    score UInt16 COMMENT 'r, f and m as three digits: 555 is the best',
    segment LowCardinality(String) COMMENT 'champions (r and f at least 4), loyal (f at least 4), recent (r at least 4), at_risk (r at most 2, f at least 3), hibernating (r at most 2), steady (the rest)'
)
AS SELECT
    customer_id, currency, dateDiff('day', assumeNotNull(last_order_at), now64(6, 'UTC')) AS recency_days, orders AS frequency,
    net AS monetary, net_minor AS monetary_minor,
    toUInt8(1 + intDiv(5 * (rank() OVER (ORDER BY last_order_at ASC) - 1), count() OVER ())) AS r,
    toUInt8(1 + intDiv(5 * (rank() OVER (ORDER BY orders ASC) - 1), count() OVER ())) AS f,
    toUInt8(1 + intDiv(5 * (rank() OVER (PARTITION BY currency ORDER BY net_minor ASC) - 1), count() OVER (PARTITION BY currency))) AS m,
    toUInt16(r * 100 + f * 10 + m) AS score,
    multiIf(r >= 4 AND f >= 4, 'champions', f >= 4, 'loyal', r >= 4, 'recent', r <= 2 AND f >= 3, 'at_risk', r <= 2, 'hibernating', 'steady') AS segment
FROM rapport.customers
WHERE orders > 0
COMMENT 'One row a buying customer: recency, frequency, monetary value, and its quintile in each';

CREATE OR REPLACE VIEW rapport.lifecycle
(
    lifecycle LowCardinality(String) COMMENT 'prospect, new, active, at_risk, lost or won_back',
    customers UInt64 COMMENT 'how many customers are there now',
    share Float64 COMMENT 'of all customers',
    orders UInt64 COMMENT 'purchases of these customers',
    orders_per_customer Float64 COMMENT 'mean',
    median_recency_days Nullable(Float64) COMMENT 'median days since the last purchase; null: none bought',
    open_cases UInt64 COMMENT 'open complaints of these customers'
)
AS SELECT
    c.lifecycle AS lifecycle, count() AS customers, customers / sum(count()) OVER () AS share, sum(c.orders) AS orders,
    orders / customers AS orders_per_customer,
    quantileExactInclusiveOrNull(0.5)(dateDiff('day', c.last_order_at, now64(6, 'UTC'))) AS median_recency_days,
    sum(length(c.open_cases)) AS open_cases
FROM rapport.customers AS c
GROUP BY c.lifecycle
COMMENT 'One row a stage of life: how many customers stand there now';

CREATE OR REPLACE VIEW rapport.cohort_retention
(
    cohort Date COMMENT 'month of the first purchase',
    months_since Int64 COMMENT 'months after it; 0 is the month itself',
    customers UInt64 COMMENT 'customers of the cohort that bought in that month',
    cohort_size UInt64 COMMENT 'customers of the cohort',
    retention Float64 COMMENT 'customers / cohort_size',
    orders UInt64 COMMENT 'their purchases in that month'
)
AS SELECT
    f.cohort AS cohort, dateDiff('month', f.cohort, p.month) AS months_since, count() AS customers,
    max(if(months_since = 0, customers, 0)) OVER (PARTITION BY cohort) AS cohort_size,
    customers / cohort_size AS retention, sum(p.orders) AS orders
FROM
(
    SELECT customer_id, toStartOfMonth(occurred_at) AS month, count() AS orders
    FROM rapport.purchases GROUP BY customer_id, month
) AS p
INNER JOIN (SELECT customer_id, toStartOfMonth(min(occurred_at)) AS cohort FROM rapport.purchases GROUP BY customer_id) AS f
    ON f.customer_id = p.customer_id
GROUP BY f.cohort, months_since
COMMENT 'Customers by the month of their first purchase, and how many of them bought again in each month after';

CREATE OR REPLACE VIEW rapport.channel_mix
(
    month Date COMMENT 'first day of the month (UTC)',
    source LowCardinality(String) COMMENT 'channel instance',
    type LowCardinality(String) COMMENT 'type of touchpoint',
    touchpoints UInt64 COMMENT 'how many',
    customers UInt64 COMMENT 'how many different customers',
    share Float64 COMMENT 'of all touchpoints of the month'
)
AS SELECT
    toStartOfMonth(t.occurred_at) AS month, t.source AS source, t.type AS type, count() AS touchpoints,
    uniqExact(t.customer_id) AS customers, touchpoints / sum(count()) OVER (PARTITION BY month) AS share
FROM rapport.touchpoints AS t
GROUP BY month, t.source, t.type
COMMENT 'Which channels customers use, by month';

CREATE OR REPLACE VIEW rapport.daily_activity
(
    day Date COMMENT 'the day (UTC)',
    touchpoints UInt64 COMMENT 'how many touchpoints',
    customers UInt64 COMMENT 'how many different customers',
    inbound UInt64 COMMENT 'messages and calls of customers',
    outbound UInt64 COMMENT 'messages and calls of ours',
    purchases UInt64 COMMENT 'purchases',
    refunds UInt64 COMMENT 'refunds',
    complaints UInt64 COMMENT 'complaints received or reopened',
    surveys UInt64 COMMENT 'surveys, answered or not',
    visits UInt64 COMMENT 'visits',
    sentiment Nullable(Float64) COMMENT 'mean sentiment; null: unknown'
)
AS SELECT
    toDate(t.occurred_at) AS day, count() AS touchpoints, uniqExact(t.customer_id) AS customers,
    countIf(t.direction = 'inbound') AS inbound, countIf(t.direction = 'outbound') AS outbound,
    countIf(t.type = 'purchase') AS purchases, countIf(t.type = 'refund') AS refunds,
    countIf(t.type = 'case' AND t.direction = 'inbound') AS complaints,
    countIf(t.type = 'survey') AS surveys, countIf(t.type = 'visit') AS visits, avgOrNull(toDecimal64(t.sentiment, 6)) AS sentiment
FROM rapport.touchpoints AS t
GROUP BY day
COMMENT 'One row a day: what happened';

CREATE OR REPLACE VIEW rapport.daily_revenue
(
    day Date COMMENT 'the day (UTC)',
    currency LowCardinality(String) COMMENT 'ISO 4217 code',
    orders UInt64 COMMENT 'purchases',
    customers UInt64 COMMENT 'how many different customers bought',
    gross Decimal(38, 2) COMMENT 'bought',
    refunded Decimal(38, 2) COMMENT 'given back on that day',
    net Decimal(38, 2) COMMENT 'gross less refunded'
)
AS SELECT
    day, currency, countIf(kind = 'purchase') AS orders, uniqExactIf(customer_id, kind = 'purchase') AS customers,
    sumIf(amount, kind = 'purchase') AS gross, sumIf(amount, kind = 'refund') AS refunded, gross - refunded AS net
FROM
(
    SELECT toDate(occurred_at) AS day, currency, customer_id, 'purchase' AS kind, CAST(total AS Decimal(38, 2)) AS amount FROM rapport.purchases
    UNION ALL
    SELECT toDate(occurred_at) AS day, currency, customer_id, 'refund' AS kind, amount FROM rapport.refunds
)
GROUP BY day, currency
COMMENT 'One row a day and currency: what was bought and given back';

CREATE OR REPLACE VIEW rapport.satisfaction
(
    month Date COMMENT 'first day of the month (UTC)',
    kind LowCardinality(String) COMMENT 'csat, nps or ces',
    asked UInt64 COMMENT 'surveys, answered or not',
    n UInt64 COMMENT 'answers',
    response_rate Float64 COMMENT 'n / asked',
    mean Nullable(Float64) COMMENT 'mean answer as a share of the scale, 0 to 1; null: no answer, which is not satisfaction',
    perceived_to_expected Nullable(Float64) COMMENT 'sum of perceived / sum of expected, over answers that say both; 1: as expected',
    promoters UInt64 COMMENT 'of nps: answers of at least 9 in 10',
    detractors UInt64 COMMENT 'of nps: answers of at most 6 in 10',
    nps Nullable(Float64) COMMENT '100 * (promoters - detractors) / n; null for other kinds',
    share_sum Float64 COMMENT 'sum of answers as shares of the scale: for a mean over months, sum(share_sum) / sum(n)'
)
AS SELECT
    toStartOfMonth(s.occurred_at) AS month, s.kind AS kind, count() AS asked, countIf(s.answered) AS n, n / asked AS response_rate,
    avgOrNull(toDecimal64(s.share, 9)) AS mean,
    toFloat64(sumIf(toDecimal64(s.share, 9), s.expected > 0))
        / nullIf(toFloat64(sumIf(toDecimal64(s.expected / s.scale, 9), s.answered AND s.expected > 0)), 0) AS perceived_to_expected,
    countIf(s.kind = 'nps' AND s.score * 10 >= 9 * s.scale) AS promoters,
    countIf(s.kind = 'nps' AND s.score * 10 <= 6 * s.scale) AS detractors,
    if(s.kind = 'nps' AND n > 0, 100 * (toInt64(promoters) - toInt64(detractors)) / n, NULL) AS nps,
    toFloat64(ifNull(sum(toDecimal64(s.share, 9)), 0)) AS share_sum
FROM rapport.surveys AS s
GROUP BY month, s.kind
COMMENT 'Surveys by month and kind: mean, perceived / expected, NPS, number of answers, response rate';

CREATE OR REPLACE VIEW rapport.response_times
(
    month Date COMMENT 'month of the first message (UTC)',
    source LowCardinality(String) COMMENT 'channel instance of the first message',
    type LowCardinality(String) COMMENT 'type of the first message',
    conversations UInt64 COMMENT 'conversations and complaints in which the customer wrote',
    answered UInt64 COMMENT 'of them, those we replied to',
    awaiting UInt64 COMMENT 'of them, those we did not',
    mean_seconds Nullable(Float64) COMMENT 'mean time to the first reply',
    median_seconds Nullable(Float64) COMMENT 'median time to the first reply',
    p90_seconds Nullable(Float64) COMMENT 'nine in ten were answered within',
    longest_seconds Nullable(Float64) COMMENT 'the longest'
)
AS SELECT
    toStartOfMonth(c.started_at) AS month, c.source AS source, c.type AS type, count() AS conversations,
    countIf(NOT c.awaiting) AS answered, countIf(c.awaiting) AS awaiting, 
    avgOrNull(dateDiff('microsecond', c.first_inbound_at, c.first_reply_at)) / 1000000 AS mean_seconds,
    quantileExactInclusiveOrNull(0.5)(c.response_seconds) AS median_seconds,
    quantileExactInclusiveOrNull(0.9)(c.response_seconds) AS p90_seconds, maxOrNull(c.response_seconds) AS longest_seconds
FROM rapport.conversations AS c
WHERE isNotNull(c.first_inbound_at)
GROUP BY month, c.source, c.type
COMMENT 'How long customers wait for the first reply';

CREATE OR REPLACE VIEW rapport.case_ageing
(
    age LowCardinality(String) COMMENT 'how long the complaint has been open: under 1 day, 1 to 3 days, 3 to 7 days, 7 to 30 days, over 30 days',
    at_least_days UInt16 COMMENT 'lower end of age, to sort by',
    severity LowCardinality(String) COMMENT 'low, normal, high or critical; empty: not told',
    step LowCardinality(String) COMMENT 'the step at which it stands',
    cases UInt64 COMMENT 'how many open complaints',
    oldest_opened_at DateTime64(6, 'UTC') COMMENT 'when the oldest of them was opened (UTC)',
    mean_age_days Float64 COMMENT 'mean age in days'
)
AS SELECT
    multiIf(c.age_seconds < 86400, 'under 1 day', c.age_seconds < 259200, '1 to 3 days', c.age_seconds < 604800, '3 to 7 days',
        c.age_seconds < 2592000, '7 to 30 days', 'over 30 days') AS age,
    multiIf(c.age_seconds < 86400, 0, c.age_seconds < 259200, 1, c.age_seconds < 604800, 3, c.age_seconds < 2592000, 7, 30) AS at_least_days,
    c.severity AS severity, c.step AS step, count() AS cases, min(c.opened_at) AS oldest_opened_at, avg(c.age_seconds) / 86400 AS mean_age_days
FROM rapport.cases AS c
WHERE c.is_open
GROUP BY age, at_least_days, c.severity, c.step
COMMENT 'Open complaints by age, severity and step';

CREATE OR REPLACE VIEW rapport.repeat_purchase
(
    purchase_number UInt64 COMMENT 'first, second, third … purchase of a customer',
    customers UInt64 COMMENT 'customers that made it',
    went_on UInt64 COMMENT 'of them, those that bought again',
    repeat_rate Float64 COMMENT 'went_on / customers',
    median_days_to_next Nullable(Float64) COMMENT 'median days until the next purchase; null: nobody went on'
)
AS SELECT
    number AS purchase_number, count() AS customers, countIf(isNotNull(next_at)) AS went_on, went_on / customers AS repeat_rate,
    quantileExactInclusiveOrNull(0.5)(dateDiff('second', occurred_at, next_at) / 86400) AS median_days_to_next
FROM
(
    SELECT
        occurred_at, row_number() OVER w AS number,
        leadInFrame(toNullable(occurred_at)) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS next_at
    FROM rapport.purchases
    WINDOW w AS (PARTITION BY customer_id ORDER BY occurred_at, event_id)
)
GROUP BY number
COMMENT 'How many customers go from the n-th purchase to the next, and how long they take';

CREATE OR REPLACE VIEW rapport.loyalty_liability
(
    programme LowCardinality(String) COMMENT 'the programme',
    tier LowCardinality(String) COMMENT 'the tier; empty: none',
    accounts UInt64 COMMENT 'living accounts',
    points Int64 COMMENT 'points outstanding: the sum of balances',
    available Int64 COMMENT 'of them, those that can be spent now',
    pending Int64 COMMENT 'of them, those that become available later',
    overdrawn Int64 COMMENT 'sum of negative balances, included in points',
    expiring_30_days Int64 COMMENT 'points that expire within 30 days',
    expiring_90_days Int64 COMMENT 'points that expire within 90 days'
)
AS SELECT
    a.programme AS programme, a.tier AS tier, count() AS accounts, sum(a.balance) AS points, sum(a.available) AS available,
    sum(a.pending) AS pending, sumIf(a.balance, a.balance < 0) AS overdrawn,
    sum(arraySum((left, at) -> if(at < now64(6, 'UTC') + INTERVAL 30 DAY, left, 0), a.lot_remaining, a.lot_expires_at)) AS expiring_30_days,
    sum(arraySum((left, at) -> if(at < now64(6, 'UTC') + INTERVAL 90 DAY, left, 0), a.lot_remaining, a.lot_expires_at)) AS expiring_90_days
FROM rapport.loyalty_accounts AS a
GROUP BY a.programme, a.tier
COMMENT 'What the company owes its customers in points, by programme and tier';
