-- Points that were spent, as they were accepted.

CREATE TABLE IF NOT EXISTS rapport_store.redemptions
(
    redemption_id String COMMENT 'of the command, unique for ever',
    account UUID COMMENT 'the account that spent the points',
    sequence UInt64 COMMENT 'its place among the account''s changes',
    asked UUID COMMENT 'the customer as the command named it',
    anchor UUID COMMENT 'the identifier under which the fact is kept',
    points Int64 COMMENT 'spent',
    occurred_at DateTime64(6, 'UTC') COMMENT 'its moment among the facts of its account',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when it was accepted',
    source LowCardinality(String) COMMENT 'name of the key that it came with',
    why String COMMENT 'in the words of whoever sent it',
    balance Int64 COMMENT 'of the account after it',
    id UInt64 COMMENT 'notification id of loyalty-events'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY redemption_id
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Accepted redemptions; read through rapport.redemptions';

CREATE OR REPLACE VIEW rapport.redemptions
(
    redemption_id String COMMENT 'of the command, unique for ever',
    account_id UUID COMMENT 'the account that spent the points',
    customer_id UUID COMMENT 'the customer that it belongs to now, merges included',
    sequence UInt64 COMMENT 'its place among the account''s changes',
    asked_id UUID COMMENT 'the customer as the command named it',
    anchor_id UUID COMMENT 'the identifier under which it is kept',
    points Int64 COMMENT 'points spent; the ledger has them as entries of kind redeem, one a lot',
    occurred_at DateTime64(6, 'UTC') COMMENT 'its moment among the facts of its account (UTC)',
    recorded_at DateTime64(6, 'UTC') COMMENT 'when it was accepted (UTC)',
    source LowCardinality(String) COMMENT 'name of the key that it came with',
    why String COMMENT 'in the words of whoever sent it; empty: nothing said',
    balance Int64 COMMENT 'the account''s balance after it',
    notification_id UInt64 COMMENT 'id of the message on loyalty-events'
)
AS SELECT
    r.redemption_id AS redemption_id, r.account AS account_id,
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), r.account, m.customer) AS customer_id,
    r.sequence AS sequence, r.asked AS asked_id, r.anchor AS anchor_id, r.points AS points, r.occurred_at AS occurred_at,
    r.recorded_at AS recorded_at, r.source AS source, r.why AS why, r.balance AS balance, r.id AS notification_id
FROM rapport_store.redemptions AS r FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = r.anchor
COMMENT 'One row a redemption that was accepted; refused ones leave nothing';

CREATE OR REPLACE VIEW rapport.readme
(
    topic LowCardinality(String) COMMENT 'customers, facts, service, loyalty, figures or operations',
    name String COMMENT 'table or view of this database',
    what String COMMENT 'what one row of it is',
    example String COMMENT 'a query to start from; it runs as it is'
)
AS SELECT topic, name, what, example
FROM values('topic String, name String, what String, example String',
    ('customers', 'customer_360', 'a living customer: profile and loyalty account side by side', 'SELECT customer_id, lifecycle, orders, net, currency, tier, points FROM rapport.customer_360 ORDER BY net DESC LIMIT 10'),
    ('customers', 'customers', 'a living customer, one column a fact', 'SELECT customer_ids, emails, traits, orders, net FROM rapport.customers WHERE has(identifiers, ''customer_id:07592'')'),
    ('customers', 'customer_identifiers', 'an identifier, and the customer that holds it now', 'SELECT type, count() AS identifiers, uniqExact(customer_id) AS customers FROM rapport.customer_identifiers GROUP BY type ORDER BY identifiers DESC'),
    ('customers', 'customer_changes', 'a merge, a moved identifier, a refused link or a new stage of life, with its cause', 'SELECT event, count() AS times, max(recorded_at) AS latest FROM rapport.customer_changes GROUP BY event ORDER BY times DESC'),
    ('customers', 'timeline', 'a touchpoint of one customer, fast however many customers there are; takes any id it ever had', 'SELECT occurred_at, type, source, payload FROM rapport.timeline(customer = ''00000000-0000-0000-0000-000000000000'') ORDER BY occurred_at'),
    ('facts', 'touchpoints', 'anything a channel told about a customer, once', 'SELECT type, count() AS touchpoints, uniqExact(customer_id) AS customers FROM rapport.touchpoints GROUP BY type ORDER BY touchpoints DESC'),
    ('facts', 'purchases', 'a purchase', 'SELECT currency, count() AS purchases, uniqExact(customer_id) AS customers, sum(total) AS total FROM rapport.purchases GROUP BY currency'),
    ('facts', 'purchase_lines', 'a line of a purchase', 'SELECT category, sum(quantity) AS pieces, sum(amount) AS amount, currency FROM rapport.purchase_lines GROUP BY category, currency ORDER BY amount DESC LIMIT 10'),
    ('facts', 'refunds', 'a refund', 'SELECT reason, count() AS refunds, sum(amount) AS amount, currency FROM rapport.refunds GROUP BY reason, currency ORDER BY amount DESC'),
    ('service', 'cases', 'a complaint, with the time of each step', 'SELECT category, count() AS cases, countIf(is_open) AS open, median(answer_seconds) / 3600 AS hours_to_answer FROM rapport.cases GROUP BY category ORDER BY cases DESC'),
    ('service', 'case_steps', 'a step of a complaint', 'SELECT step, count() AS steps FROM rapport.case_steps GROUP BY step ORDER BY steps DESC'),
    ('service', 'surveys', 'a survey, answered or not', 'SELECT kind, score, comment FROM rapport.surveys WHERE comment != '''' ORDER BY occurred_at DESC LIMIT 10'),
    ('service', 'conversations', 'a conversation or complaint: who wrote first, how long the first reply took', 'SELECT source, count() AS waiting, min(first_inbound_at) AS since FROM rapport.conversations WHERE awaiting GROUP BY source'),
    ('loyalty', 'loyalty_accounts', 'a living loyalty account', 'SELECT tier, count() AS accounts, sum(balance) AS points FROM rapport.loyalty_accounts GROUP BY tier ORDER BY accounts DESC'),
    ('loyalty', 'loyalty_ledger', 'an entry of the ledger; entries add up to the balance', 'SELECT kind, rule, count() AS entries, sum(amount) AS points FROM rapport.loyalty_ledger GROUP BY kind, rule ORDER BY entries DESC'),
    ('loyalty', 'loyalty_changes', 'a change of tier, or the merge of an account', 'SELECT tier_before, tier_after, count() AS times FROM rapport.loyalty_changes WHERE event = ''tier_changed'' GROUP BY tier_before, tier_after ORDER BY times DESC'),
    ('loyalty', 'redemptions', 'points spent by a command: how many, when, why', 'SELECT source, count() AS redemptions, sum(points) AS points FROM rapport.redemptions GROUP BY source ORDER BY points DESC'),
    ('figures', 'rfm', 'a buying customer: recency, frequency, monetary value and quintiles', 'SELECT segment, count() AS customers, avg(monetary) AS mean_value FROM rapport.rfm GROUP BY segment ORDER BY mean_value DESC'),
    ('figures', 'lifecycle', 'a stage of life and how many customers stand there', 'SELECT lifecycle, customers, round(share, 3) AS share FROM rapport.lifecycle ORDER BY customers DESC'),
    ('figures', 'cohort_retention', 'a month of first purchase, and the share that bought again n months later', 'SELECT cohort, cohort_size, months_since, round(retention, 3) AS retention FROM rapport.cohort_retention ORDER BY cohort, months_since'),
    ('figures', 'repeat_purchase', 'the n-th purchase, and the share of customers that go on to the next', 'SELECT purchase_number, customers, round(repeat_rate, 3) AS repeat_rate, median_days_to_next FROM rapport.repeat_purchase ORDER BY purchase_number LIMIT 10'),
    ('figures', 'channel_mix', 'a month, a channel instance and a type of touchpoint', 'SELECT month, source, touchpoints, round(share, 3) AS share FROM rapport.channel_mix ORDER BY month DESC, touchpoints DESC LIMIT 20'),
    ('figures', 'daily_activity', 'a day: what happened', 'SELECT day, touchpoints, customers, purchases, complaints FROM rapport.daily_activity ORDER BY day DESC LIMIT 14'),
    ('figures', 'daily_revenue', 'a day and currency: bought and given back', 'SELECT toStartOfMonth(day) AS month, currency, sum(orders) AS orders, sum(net) AS net FROM rapport.daily_revenue GROUP BY month, currency ORDER BY month'),
    ('figures', 'satisfaction', 'a month and kind of survey: mean, perceived / expected, NPS, n, response rate', 'SELECT month, kind, n, round(response_rate, 2) AS response_rate, round(mean, 2) AS mean, round(nps, 1) AS nps FROM rapport.satisfaction ORDER BY kind, month'),
    ('figures', 'response_times', 'a month and channel: how long customers wait for the first reply', 'SELECT source, sum(conversations) AS conversations, sum(awaiting) AS awaiting, max(p90_seconds) AS worst_p90 FROM rapport.response_times GROUP BY source'),
    ('figures', 'case_ageing', 'open complaints by age, severity and step', 'SELECT age, severity, sum(cases) AS cases FROM rapport.case_ageing GROUP BY age, at_least_days, severity ORDER BY at_least_days DESC'),
    ('figures', 'loyalty_liability', 'a programme and tier: points owed to customers', 'SELECT programme, sum(points) AS points, sum(expiring_30_days) AS expiring_30_days FROM rapport.loyalty_liability GROUP BY programme'),
    ('operations', 'quarantine', 'a refused input, whole, with the reason', 'SELECT stage, reason, count() AS refused, max(quarantined_at) AS latest FROM rapport.quarantine GROUP BY stage, reason ORDER BY refused DESC'),
    ('operations', 'readme', 'this list', 'SELECT topic, name, what, example FROM rapport.readme')
)
COMMENT 'What exists here, with a query to start from';
