CREATE TYPE replay_status AS ENUM ('running', 'cancelled', 'done');
CREATE TYPE replay_outcome AS ENUM ('replayed', 'skipped', 'failed');

-- Dead letters on their way back to their queues. The set is frozen when the replay begins: its items.
CREATE TABLE replays (
    id              uuid          PRIMARY KEY,
    status          replay_status NOT NULL,
    -- What was asked for; null when the letters were named one by one.
    filter          jsonb,
    actor           text          NOT NULL,
    reason          text,
    rate_per_second integer       NOT NULL,
    total           integer       NOT NULL,
    replayed        integer       NOT NULL DEFAULT 0,
    skipped         integer       NOT NULL DEFAULT 0,
    failed          integer       NOT NULL DEFAULT 0,
    -- Not before this is the next batch sent: what keeps to the rate, whichever process sends it.
    next_batch_at   timestamptz   NOT NULL DEFAULT now(),
    created_at      timestamptz   NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    CONSTRAINT replays_rate_positive CHECK (rate_per_second > 0),
    CONSTRAINT replays_running_or_finished CHECK ((status = 'running') = (finished_at IS NULL))
);
CREATE INDEX replays_running ON replays (next_batch_at) WHERE status = 'running';
CREATE INDEX replays_by_time ON replays (created_at, id);

-- Positions count from 1 without a gap and are handled in their order. No foreign keys: a set of 100,000 is written at once.
CREATE TABLE replay_items (
    replay_id      uuid    NOT NULL,
    position       integer NOT NULL,
    dead_letter_id uuid    NOT NULL,
    outcome        replay_outcome,
    -- Why it was not replayed.
    reason         text,
    handled_at     timestamptz,
    -- When it came back as a dead letter.
    died_again_at  timestamptz,
    PRIMARY KEY (replay_id, position),
    CONSTRAINT replay_items_handled_with_an_outcome CHECK ((outcome IS NULL) = (handled_at IS NULL))
);
CREATE INDEX replay_items_by_letter ON replay_items (dead_letter_id);
CREATE INDEX replay_items_died_again ON replay_items (replay_id, position) WHERE died_again_at IS NOT NULL;
