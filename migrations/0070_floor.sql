-- What operators see of the work itself: who works, what is paused, and figures that would be too costly to count
-- whenever somebody looks.

-- Worker processes that are or lately were alive: as few rows as there are processes, so they need no further index.
CREATE TABLE worker_processes (
    id         uuid        PRIMARY KEY,
    host       text        NOT NULL,
    pid        bigint      NOT NULL,
    version    text        NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE worker_pools (
    worker_process_id uuid   NOT NULL REFERENCES worker_processes (id) ON DELETE CASCADE,
    pool              text   NOT NULL,
    runners           integer NOT NULL,
    -- Of the last batch: when its transaction had been committed, its size, how long it took …
    last_batch_at     timestamptz,
    batch_messages    bigint,
    batch_ms          bigint,
    -- … and how long the oldest of its messages had waited in the queue.
    waited_seconds    bigint,
    messages_done     bigint NOT NULL,
    PRIMARY KEY (worker_process_id, pool)
) WITH (fillfactor = 50);

-- Pools that take nothing until somebody lets them go on.
CREATE TABLE paused_pools (
    pool   text        PRIMARY KEY,
    actor  text        NOT NULL,
    reason text        NOT NULL,
    since  timestamptz NOT NULL DEFAULT now()
);

-- When a queue was last seen empty: nothing in it has waited longer.
CREATE TABLE queue_looks (
    queue     text        PRIMARY KEY,
    ready     bigint      NOT NULL,
    looked_at timestamptz NOT NULL DEFAULT now(),
    empty_at  timestamptz
) WITH (fillfactor = 50);

-- What the last audit found; one row.
CREATE TABLE last_audit (
    id          boolean     PRIMARY KEY DEFAULT true,
    checked_at  timestamptz NOT NULL DEFAULT now(),
    duration_ms bigint      NOT NULL,
    findings    jsonb       NOT NULL,
    CONSTRAINT last_audit_one_row CHECK (id)
);

-- Facts per minute, and how late holds were released, counted from the event log past a cursor. History is not counted.
CREATE TABLE event_figures (
    minute     timestamptz NOT NULL,
    type       text        NOT NULL,
    facts      bigint      NOT NULL,
    -- Of payments and late money.
    amount_won bigint      NOT NULL,
    PRIMARY KEY (minute, type)
) WITH (fillfactor = 50);
CREATE TABLE release_figures (
    minute   timestamptz NOT NULL,
    -- 0 is below the first bound of lateness, 1 from there to the second, and so on.
    bucket   integer     NOT NULL,
    holds    bigint      NOT NULL,
    worst_ms bigint      NOT NULL,
    PRIMARY KEY (minute, bucket)
) WITH (fillfactor = 50);
INSERT INTO relay_cursors (name, from_transaction, to_transaction, last_id)
SELECT 'figures', horizon, horizon, 0 FROM pg_snapshot_xmin(pg_current_snapshot()) AS horizon;
