-- What was written in vain is tried again: waiting longer for a lock would keep everybody waiting who comes after.
SET LOCAL lock_timeout = '4s';

-- The place of a fact among those of its order: 1, 2, 3. Nothing where some fact of the order was written by a version that
-- did not count. A column without a default is added without reading the table.
ALTER TABLE order_events ADD COLUMN sequence integer;

-- How transactions are numbered in the log: as the server numbers them, plus `id_offset`. A dump that is restored into
-- another cluster meets ids that begin anew; `holdfast cursors reset` then chooses an offset that puts new facts above all old
-- ones. One row, for ever.
CREATE TABLE event_log (
    is_only     boolean PRIMARY KEY DEFAULT true,
    id_offset   bigint  NOT NULL DEFAULT 0,
    -- When somebody noticed that facts or cursors are ahead of the server's ids; readers refuse to read until it is mended.
    ahead_since timestamptz,
    -- Facts up to this id were restored, later ones were written since.
    restored_to bigint,
    -- No fact written since has a smaller transaction id.
    new_from    bigint,
    -- The offset that a reset has chosen and not brought to its end.
    next_offset bigint,
    CONSTRAINT event_log_one_row CHECK (is_only),
    CONSTRAINT event_log_ahead_since_when CHECK (
        (ahead_since IS NULL) = (restored_to IS NULL) AND (ahead_since IS NULL) = (new_from IS NULL)
        AND (ahead_since IS NOT NULL OR next_offset IS NULL)
    )
);
INSERT INTO event_log DEFAULT VALUES;

CREATE FUNCTION log_transaction_id() RETURNS xid8 LANGUAGE sql STABLE AS $$
    SELECT (pg_current_xact_id()::text::bigint + id_offset)::text::xid8 FROM event_log
$$;
ALTER TABLE order_events ALTER COLUMN transaction_id SET DEFAULT log_transaction_id();

-- A reset gives facts other transaction ids. It says so within its transaction, so a crash leaves nothing open.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'order_events' AND TG_OP = 'UPDATE'
       AND current_setting('holdfast.renumbers_facts', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

-- A cursor stands behind one fact now: (from_transaction, last_id), and to_transaction is the one after. Behind all facts
-- below a transaction it is (from_transaction, 0), as before. A feed or a counter of the version before knows whole
-- transactions only and would count the first part of one twice: it opens a round without moving `last_id`.
CREATE FUNCTION refuse_older_reader() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the cursor % stands within a transaction, which this version cannot read on', OLD.name;
END $$;
CREATE TRIGGER relay_cursors_keep_older_readers_out BEFORE UPDATE ON relay_cursors
    FOR EACH ROW WHEN (OLD.name <> 'events' AND OLD.last_id > 0 AND NEW.last_id = OLD.last_id)
    EXECUTE FUNCTION refuse_older_reader();
