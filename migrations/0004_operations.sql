CREATE TYPE token_role AS ENUM ('shop', 'customer', 'viewer', 'operator', 'admin');

-- Bearer tokens are stored as SHA-256 only.
CREATE TABLE tokens (
    id          uuid        PRIMARY KEY,
    name        text        NOT NULL,
    role        token_role  NOT NULL,
    customer_id text,
    token_hash  bytea       NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz,
    CONSTRAINT tokens_customer_is_fixed CHECK ((role = 'customer') = (customer_id IS NOT NULL))
);
CREATE UNIQUE INDEX tokens_one_live_per_name ON tokens (name) WHERE revoked_at IS NULL;

CREATE TYPE dead_letter_status AS ENUM ('open', 'replayed', 'discarded');

-- Messages set aside for a person. One row per message and queue: dying again after a replay reopens it.
CREATE TABLE dead_letters (
    id            uuid               PRIMARY KEY,
    message_id    text               NOT NULL,
    queue         text               NOT NULL,
    status        dead_letter_status NOT NULL DEFAULT 'open',
    message_type  text               NOT NULL,
    order_id      uuid,
    error_class   text               NOT NULL,
    error_text    text               NOT NULL,
    attempts      integer            NOT NULL,
    body          bytea              NOT NULL,
    headers       jsonb              NOT NULL,
    death_count   integer            NOT NULL DEFAULT 1,
    replay_count  integer            NOT NULL DEFAULT 0,
    first_died_at timestamptz        NOT NULL DEFAULT now(),
    last_died_at  timestamptz        NOT NULL DEFAULT now(),
    CONSTRAINT dead_letters_one_per_message UNIQUE (queue, message_id)
);
CREATE INDEX dead_letters_open ON dead_letters (last_died_at) WHERE status = 'open';
CREATE INDEX dead_letters_by_order ON dead_letters (order_id) WHERE order_id IS NOT NULL;

-- Who did what to a dead letter, and why.
CREATE TABLE dead_letter_actions (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dead_letter_id uuid        NOT NULL REFERENCES dead_letters (id),
    action         text        NOT NULL,
    actor          text        NOT NULL,
    reason         text,
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER dead_letter_actions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dead_letter_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
