-- New words of enums can be used only once their transaction has ended, so they come before the tables that use them.
ALTER TYPE payment_method ADD VALUE 'card';
-- requesting: the gateway is asked for the money; unknown: it may or may not have taken it; returning and returned: it
-- took money for an order that is no longer ours, which goes back.
ALTER TYPE payment_status ADD VALUE 'requesting';
ALTER TYPE payment_status ADD VALUE 'unknown';
ALTER TYPE payment_status ADD VALUE 'returning';
ALTER TYPE payment_status ADD VALUE 'returned';
-- Where the money of cards comes from.
ALTER TYPE ledger_account ADD VALUE 'gateway';
