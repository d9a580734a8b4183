-- A dead letter may be changed and sent again after its first copy died, too: one row per copy.
ALTER TABLE dead_letter_edits
    DROP CONSTRAINT dead_letter_edits_pkey,
    DROP CONSTRAINT dead_letter_edits_one_per_message,
    ADD PRIMARY KEY (queue, message_id);
CREATE INDEX dead_letter_edits_by_letter ON dead_letter_edits (dead_letter_id, created_at);
