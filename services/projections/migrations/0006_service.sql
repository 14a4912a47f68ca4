-- How customers were served: cases, surveys, conversations.

CREATE TABLE IF NOT EXISTS rapport_store.case_steps
(
    event_id String COMMENT 'event_id of the touchpoint',
    case_id String COMMENT 'the helpdesk''s id of the complaint',
    step LowCardinality(String) COMMENT 'received, classified, assigned, handled, answered, archived, reopened',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when the step was taken',
    source LowCardinality(String) COMMENT 'which channel instance',
    category LowCardinality(String) COMMENT 'or empty',
    severity LowCardinality(String) COMMENT 'low, normal, high, critical, or empty',
    note String COMMENT 'or empty',
    anchor UUID COMMENT 'id of the identifier it belongs to',
    customer_at UUID COMMENT 'the customer at that time',
    id UInt64 COMMENT 'notification id of profile-events'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY (occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Steps of complaints as they arrived; read through rapport.case_steps and rapport.cases';

CREATE OR REPLACE VIEW rapport.case_steps
(
    event_id String COMMENT 'event_id of the touchpoint',
    customer_id UUID COMMENT 'who complained, merges included',
    case_id String COMMENT 'the helpdesk''s own id of the complaint',
    step LowCardinality(String) COMMENT 'received, classified, assigned, handled, answered, archived or reopened',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when the step was taken (UTC)',
    source LowCardinality(String) COMMENT 'which channel instance',
    category LowCardinality(String) COMMENT 'what it is about; empty: not told at this step',
    severity LowCardinality(String) COMMENT 'low, normal, high or critical; empty: not told at this step',
    note String COMMENT 'what was noted; empty: nothing'
)
AS SELECT
    s.event_id AS event_id,
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), s.customer_at, m.customer) AS customer_id,
    s.case_id AS case_id, s.step AS step, s.occurred_at AS occurred_at, s.source AS source, s.category AS category,
    s.severity AS severity, s.note AS note
FROM rapport_store.case_steps AS s FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = s.anchor
COMMENT 'One row a step of a complaint';

CREATE OR REPLACE VIEW rapport.cases
(
    case_id String COMMENT 'the helpdesk''s own id of the complaint',
    customer_id UUID COMMENT 'who complained, merges included; a case of two customers has a row for each',
    step LowCardinality(String) COMMENT 'the latest step',
    is_open Bool COMMENT 'whether it is not archived',
    category LowCardinality(String) COMMENT 'the latest that was told; empty: none',
    severity LowCardinality(String) COMMENT 'the latest that was told; empty: none',
    opened_at DateTime64(6, 'UTC') COMMENT 'first step of any kind (UTC)',
    changed_at DateTime64(6, 'UTC') COMMENT 'latest step (UTC)',
    received_at Nullable(DateTime64(6, 'UTC')) COMMENT 'first received (UTC)',
    classified_at Nullable(DateTime64(6, 'UTC')) COMMENT 'first classified (UTC)',
    assigned_at Nullable(DateTime64(6, 'UTC')) COMMENT 'first assigned (UTC)',
    handled_at Nullable(DateTime64(6, 'UTC')) COMMENT 'first handled (UTC)',
    answered_at Nullable(DateTime64(6, 'UTC')) COMMENT 'first answered (UTC)',
    archived_at Nullable(DateTime64(6, 'UTC')) COMMENT 'last archived (UTC); null while open',
    reopened UInt64 COMMENT 'how often it was reopened',
    steps UInt64 COMMENT 'how many steps',
    answer_seconds Nullable(Int64) COMMENT 'from received to answered',
    age_seconds Int64 COMMENT 'from opened to archived, or to now while open'
)
AS SELECT
    case_id, customer_id,
    argMax(s.step, (s.occurred_at, s.event_id)) AS step,
    step != 'archived' AS is_open,
    argMaxIf(s.category, (s.occurred_at, s.event_id), s.category != '') AS category,
    argMaxIf(s.severity, (s.occurred_at, s.event_id), s.severity != '') AS severity,
    min(s.occurred_at) AS opened_at,
    max(s.occurred_at) AS changed_at,
    minOrNullIf(s.occurred_at, s.step = 'received') AS received_at,
    minOrNullIf(s.occurred_at, s.step = 'classified') AS classified_at,
    minOrNullIf(s.occurred_at, s.step = 'assigned') AS assigned_at,
    minOrNullIf(s.occurred_at, s.step = 'handled') AS handled_at,
    minOrNullIf(s.occurred_at, s.step = 'answered') AS answered_at,
    if(step = 'archived', changed_at, NULL) AS archived_at,
    countIf(s.step = 'reopened') AS reopened,
    count() AS steps,
    dateDiff('second', received_at, answered_at) AS answer_seconds,
    dateDiff('second', opened_at, if(step = 'archived', changed_at, now64(6, 'UTC'))) AS age_seconds
FROM rapport.case_steps AS s
GROUP BY case_id, customer_id
COMMENT 'One row a complaint: receive, classify, assign, handle, answer, archive, with the time of each step';

CREATE TABLE IF NOT EXISTS rapport_store.surveys
(
    event_id String COMMENT 'event_id of the touchpoint',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it was answered, or asked',
    source LowCardinality(String) COMMENT 'which channel instance',
    kind LowCardinality(String) COMMENT 'csat, nps, ces',
    score Nullable(Float64) COMMENT 'perceived; null: not answered',
    scale UInt16 COMMENT 'greatest possible score',
    expected Nullable(Float64) COMMENT 'expected, on the same scale',
    comment String COMMENT 'or empty',
    about_type LowCardinality(String) COMMENT 'case, order, call, or empty',
    about_id String COMMENT 'or empty',
    anchor UUID COMMENT 'id of the identifier it belongs to',
    customer_at UUID COMMENT 'the customer at that time',
    id UInt64 COMMENT 'notification id of profile-events'
)
ENGINE = ReplacingMergeTree(id)
ORDER BY (occurred_at, event_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1
COMMENT 'Surveys as they arrived; read through rapport.surveys';

CREATE OR REPLACE VIEW rapport.surveys
(
    event_id String COMMENT 'event_id of the touchpoint',
    customer_id UUID COMMENT 'who was asked, merges included',
    occurred_at DateTime64(6, 'UTC') COMMENT 'when it was answered, or asked (UTC)',
    source LowCardinality(String) COMMENT 'which channel instance',
    kind LowCardinality(String) COMMENT 'csat: satisfaction; nps: would you recommend us; ces: effort',
    answered Bool COMMENT 'whether there is a score',
    score Nullable(Float64) COMMENT 'the perceived value; null: asked, not answered',
    scale UInt16 COMMENT 'the greatest possible score',
    expected Nullable(Float64) COMMENT 'what the customer expected, on the same scale; null: not told',
    share Nullable(Float64) COMMENT 'score / scale',
    comment String COMMENT 'the customer''s words; empty: none',
    about_type LowCardinality(String) COMMENT 'case, order or call; empty: nothing in particular',
    about_id String COMMENT 'which case, order or call'
)
AS SELECT
    s.event_id AS event_id,
    if(m.identifier = toUUID('00000000-0000-0000-0000-000000000000'), s.customer_at, m.customer) AS customer_id,
    s.occurred_at AS occurred_at, s.source AS source, s.kind AS kind, isNotNull(s.score) AS answered, s.score AS score, s.scale AS scale,
    s.expected AS expected, s.score / s.scale AS share, s.comment AS comment, s.about_type AS about_type, s.about_id AS about_id
FROM rapport_store.surveys AS s FINAL
LEFT ANY JOIN rapport_store.moved AS m ON m.identifier = s.anchor
COMMENT 'One row a survey, answered or not';

CREATE OR REPLACE VIEW rapport.conversations
(
    conversation String COMMENT 'the channel''s own id of the conversation; case:ID for a complaint',
    customer_id UUID COMMENT 'with whom, merges included; a conversation of two customers has a row for each',
    is_case Bool COMMENT 'whether it is a complaint',
    type LowCardinality(String) COMMENT 'type of its first message',
    source LowCardinality(String) COMMENT 'channel instance of its first message',
    started_at DateTime64(6, 'UTC') COMMENT 'first message (UTC)',
    ended_at DateTime64(6, 'UTC') COMMENT 'latest message (UTC)',
    first_inbound_at Nullable(DateTime64(6, 'UTC')) COMMENT 'the customer''s first message (UTC); null: none',
    first_reply_at Nullable(DateTime64(6, 'UTC')) COMMENT 'our first message at or after it (UTC); null: none yet',
    response_seconds Nullable(Float64) COMMENT 'from first_inbound_at to first_reply_at',
    awaiting Bool COMMENT 'whether the customer waits for a first reply',
    messages UInt64 COMMENT 'how many messages',
    inbound UInt64 COMMENT 'how many by the customer',
    outbound UInt64 COMMENT 'how many by us',
    sentiment Nullable(Float64) COMMENT 'mean of its messages; null: unknown'
)
AS SELECT
    conversation, customer_id, startsWith(conversation, 'case:') AS is_case, first.1 AS type, first.2 AS source, started_at, ended_at,
    first_inbound_at,
    arrayFirstOrNull(at -> at >= first_inbound_at, replies) AS first_reply_at,
    dateDiff('microsecond', first_inbound_at, first_reply_at) / 1000000 AS response_seconds,
    isNotNull(first_inbound_at) AND isNull(first_reply_at) AS awaiting,
    messages, inbound, outbound, sentiment
FROM
(
    SELECT
        conversation, customer_id,
        -- The order of facts, as one number: it compares twice as fast as a pair of time and text.
        argMin((t.type, t.source), bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Micro(t.occurred_at)), 64), toUInt128(cityHash64(t.event_id)))) AS first,
        min(t.occurred_at) AS started_at,
        max(t.occurred_at) AS ended_at,
        minOrNullIf(t.occurred_at, t.direction = 'inbound') AS first_inbound_at,
        arraySort(groupArrayIf(t.occurred_at, t.direction = 'outbound')) AS replies,
        count() AS messages,
        countIf(t.direction = 'inbound') AS inbound,
        length(replies) AS outbound,
        avgOrNull(toDecimal64(t.sentiment, 6)) AS sentiment
    FROM rapport.touchpoints AS t
    WHERE conversation != ''
    GROUP BY conversation, customer_id
)
COMMENT 'One row a conversation or complaint: who wrote first, how long the first reply took';
