-- Nothing of a kind is open that was asked for, or was due, before this instant: who looks for what is open begins here. Under
-- a long snapshot the entries of what has ended stay at the left end of payments_open, refunds_open, charges_asked and
-- effects_open, and were walked again at every look. A row for each kind, moved by the sweeper.
CREATE TABLE open_marks (
    kind         text        PRIMARY KEY,
    ended_before timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT open_marks_of_a_kind CHECK (kind IN ('payment', 'refund', 'charge', 'effect'))
) WITH (fillfactor = 50);
-- The sweeper's first round moves them.
INSERT INTO open_marks (kind, ended_before)
SELECT kind, '-infinity' FROM unnest(ARRAY['payment', 'refund', 'charge', 'effect']) AS kind;

-- Where a look for what is open begins: never later than a minute ago, should the clock have been set back since.
CREATE FUNCTION nothing_open_before(of_kind text) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce((SELECT least(ended_before, now() - interval '60 seconds') FROM open_marks WHERE kind = of_kind),
                    '-infinity')
$$;
