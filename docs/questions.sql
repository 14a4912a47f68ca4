-- Ten questions that analysts ask, each with its query. `python -m services.projections.pages questions` asks them of a
-- ClickHouse with the demo's data and writes docs/questions.md. None depends on today's date, so the answers stay.

-- # How much did customers buy?
-- Each purchase counts once, whatever was delivered twice on the way.
SELECT currency, count() AS purchases, uniqExact(customer_id) AS customers, sum(total) AS total
FROM rapport.purchases
GROUP BY currency
ORDER BY purchases DESC;

-- # Who are the best customers?
-- `customer_ids` are the shop's own numbers. Purchases that came under another identifier (a mail address, a card) are included, since a
-- view resolves who holds it now.
SELECT c.customer_ids[1] AS customer, p.purchases, p.total, p.currency
FROM
(
    SELECT customer_id, currency, count() AS purchases, sum(total) AS total
    FROM rapport.purchases
    GROUP BY customer_id, currency
    ORDER BY total DESC
    LIMIT 5
) AS p
INNER JOIN rapport.customers AS c ON c.customer_id = p.customer_id
ORDER BY p.total DESC;

-- # How many customers buy again?
-- Of those who made their n-th purchase, the share that made another, and how long it took.
SELECT purchase_number, customers, went_on, round(repeat_rate, 3) AS repeat_rate, round(median_days_to_next, 1) AS median_days_to_next
FROM rapport.repeat_purchase
ORDER BY purchase_number
LIMIT 6;

-- # Do the customers of a month come back?
-- Share of each month's new buyers that bought again one, three, six and twelve months later.
SELECT
    cohort, any(cohort_size) AS new_buyers,
    round(maxIf(retention, months_since = 1), 3) AS after_1_month,
    round(maxIf(retention, months_since = 3), 3) AS after_3_months,
    round(maxIf(retention, months_since = 6), 3) AS after_6_months,
    round(maxIf(retention, months_since = 12), 3) AS after_12_months
FROM rapport.cohort_retention
GROUP BY cohort
ORDER BY cohort
LIMIT 6;

-- # Which customers are worth the most, and which are slipping away?
-- Quintiles of recency, frequency and monetary value; equal customers get equal scores.
SELECT segment, count() AS customers, sum(monetary) AS value, round(avg(frequency), 2) AS orders_each
FROM rapport.rfm
WHERE currency = 'USD'
GROUP BY segment
ORDER BY value DESC;

-- # Through which channels do customers come?
-- Every customer knows how often it came through each; of a span of time `rapport.touchpoints` tells the same.
SELECT source, sum(times) AS touchpoints, count() AS customers, round(touchpoints / sum(touchpoints) OVER (), 3) AS share
FROM rapport.customers
ARRAY JOIN mapKeys(touchpoints_by_source) AS source, mapValues(touchpoints_by_source) AS times
GROUP BY source
ORDER BY touchpoints DESC, source;

-- # How satisfied are they?
-- A survey without an answer counts as asked, never as satisfied.
SELECT
    s.kind AS kind, sum(s.asked) AS asked, sum(s.n) AS answers, round(answers / asked, 3) AS response_rate,
    round(sum(s.share_sum) / answers, 3) AS mean_share_of_scale,
    if(kind = 'nps', round(100 * (toInt64(sum(s.promoters)) - toInt64(sum(s.detractors))) / answers, 1), NULL) AS nps
FROM rapport.satisfaction AS s
GROUP BY s.kind
ORDER BY kind;

-- # How long do customers wait for a first reply?
SELECT
    type, count() AS conversations, countIf(awaiting) AS never_answered,
    round(quantileExactInclusiveOrNull(0.5)(response_seconds) / 60, 1) AS median_minutes,
    round(quantileExactInclusiveOrNull(0.9)(response_seconds) / 60, 1) AS p90_minutes
FROM rapport.conversations
WHERE isNotNull(first_inbound_at)
GROUP BY type
ORDER BY conversations DESC;

-- # What do they complain about, and how fast is it answered?
SELECT
    category, count() AS complaints, countIf(is_open) AS open, countIf(reopened > 0) AS reopened,
    round(quantileExactInclusiveOrNull(0.5)(answer_seconds) / 3600, 1) AS median_hours_to_answer
FROM rapport.cases
GROUP BY category
ORDER BY complaints DESC, category;

-- # Which rules of the loyalty programme give the points?
-- Corrections count with what they correct, so the sums are those of the rules, in whatever order facts came. Birthdays are left out: time
-- alone adds to them.
SELECT rule, sum(amount) AS points, uniqExactIf(customer_id, amount > 0) AS customers
FROM rapport.loyalty_ledger
WHERE if(kind = 'compensate' AND corrected_kind != '', corrected_kind, kind) IN ('earn', 'bonus', 'reverse') AND rule != 'birthday'
GROUP BY rule
ORDER BY points DESC;
