-- Who is signed in to the console. A session ends when its token is revoked, too.
CREATE TABLE sessions (
    secret_hash bytea       PRIMARY KEY,
    token_id    uuid        NOT NULL REFERENCES tokens (id),
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_token ON sessions (token_id);
CREATE INDEX tokens_by_creation ON tokens (created_at DESC, id);
