-- How many transactions may hold up to `largest` advisory locks of one kind at once, so that together they take at most a quarter
-- of the server's shared table of locks: it has room for so many per transaction times so many connections.
CREATE FUNCTION lock_slots(locks_per_transaction integer, connections integer, largest integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT greatest(1, locks_per_transaction * connections / (4 * largest))
$$;
