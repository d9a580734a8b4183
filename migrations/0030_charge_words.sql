-- New words of enums can be used only once their transaction has ended, so they come before the tables that use them.
-- open: to be paid by card; requesting: the gateway is asked for the money; unknown: it may or may not have taken it;
-- returning and returned: it took money for a charge that counted as declined and no longer fits, which goes back.
ALTER TYPE charge_status ADD VALUE 'open';
ALTER TYPE charge_status ADD VALUE 'requesting';
ALTER TYPE charge_status ADD VALUE 'unknown';
ALTER TYPE charge_status ADD VALUE 'declined';
ALTER TYPE charge_status ADD VALUE 'returning';
ALTER TYPE charge_status ADD VALUE 'returned';
