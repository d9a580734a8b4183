-- An order that waits for units. A new word of an enum can be used only once its transaction has ended.
SET LOCAL lock_timeout = '4s';
ALTER TYPE order_status ADD VALUE IF NOT EXISTS 'waiting' BEFORE 'held';
