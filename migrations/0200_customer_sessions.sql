-- Customers who sign in at a shop by themselves: by a link that is mailed to them, or handed over by the shop.

-- Whose address it is: the customer who was made when a link to it was first followed. Not customer_contacts, where anybody may
-- write any address.
CREATE TABLE customer_addresses (
    -- In small letters.
    email       text COLLATE "C" PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customer_addresses_one_of_a_customer UNIQUE (customer_id),
    CONSTRAINT customer_addresses_in_small_letters CHECK (email = lower(email))
);

-- A link or a shop's word that was good once.
CREATE TABLE spent_sign_ins (
    -- SHA-256 of what it is and what it is called.
    id         bytea       PRIMARY KEY,
    -- From then on it is no good anyway.
    expires_at timestamptz NOT NULL
);
CREATE INDEX spent_sign_ins_by_expiry ON spent_sign_ins (expires_at);

CREATE TABLE customer_sessions (
    -- SHA-256 of the token.
    secret_hash bytea       PRIMARY KEY,
    customer_id text        COLLATE "C" NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);
CREATE INDEX customer_sessions_by_expiry ON customer_sessions (expires_at);
CREATE INDEX customer_sessions_of_a_customer ON customer_sessions (customer_id, expires_at);
