-- The dead letters of one queue in the order of lists. Without it a page of a queue walks past all the others.
CREATE INDEX dead_letters_by_queue ON dead_letters (status, queue, last_died_at, id);
