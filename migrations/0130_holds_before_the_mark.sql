-- Every hold with a deadline before this instant has ended: who looks for overdue holds begins here. Under a long snapshot the
-- entries of ended holds stay in the index, and walking them again at every look took seconds. One row, moved by the sweeper.
CREATE TABLE hold_mark (
    id           boolean     PRIMARY KEY DEFAULT true,
    ended_before timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT hold_mark_one_row CHECK (id)
) WITH (fillfactor = 50);
INSERT INTO hold_mark (ended_before)
SELECT least(coalesce(min(expires_at), '-infinity'), now()) - interval '60 seconds' FROM orders WHERE status = 'held';

-- Where a look for overdue holds begins: never later than a minute ago, should the clock have been set back since.
CREATE FUNCTION holds_ended_before() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce((SELECT least(ended_before, now() - interval '60 seconds') FROM hold_mark), '-infinity')
$$;
