-- What cursors of lists are sealed with, so that they tell nobody what a page stopped at. All API processes have the same one.
CREATE TABLE cursor_key (
    is_only boolean PRIMARY KEY DEFAULT true,
    key     bytea   NOT NULL,
    CONSTRAINT cursor_key_is_one CHECK (is_only),
    CONSTRAINT cursor_key_is_of_256_bits CHECK (octet_length(key) = 32)
);
-- Random bytes without an extension: 244 bits of them.
INSERT INTO cursor_key (key) VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
