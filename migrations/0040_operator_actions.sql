-- What people did, for good: who, what, to which thing, how it was before and after, and why.
CREATE TABLE operator_actions (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor        text        NOT NULL,
    action       text        NOT NULL,
    subject_kind text        NOT NULL,
    subject_id   text        NOT NULL,
    before       jsonb,
    after        jsonb,
    reason       text,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX operator_actions_by_subject ON operator_actions (subject_kind, subject_id, id);
CREATE INDEX operator_actions_by_actor ON operator_actions (actor, id);

INSERT INTO operator_actions (actor, action, subject_kind, subject_id, reason, created_at)
SELECT actor, CASE action WHEN 'replayed' THEN 'dead_letter.replay' ELSE 'dead_letter.discard' END,
       'dead_letter', dead_letter_id::text, reason, created_at
  FROM dead_letter_actions ORDER BY id;
DROP TABLE dead_letter_actions;

CREATE TRIGGER operator_actions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
