-- A charge by card is paid at most once and with one key: a declined one stays declined, and another try is another
-- charge. What was asked for, late money included, is therefore all in its row.
ALTER TABLE charges
    -- The gateway's name of the payment, as the buyer brought it.
    ADD COLUMN payment_key     text COLLATE "C",
    ADD COLUMN decline_reason  text,
    -- The gateway's own code of a decline.
    ADD COLUMN decline_code    text,
    ADD COLUMN not_found_count integer NOT NULL DEFAULT 0,
    -- When the buyer brought the key; from then on the amount counts against the limit.
    ADD COLUMN requested_at    timestamptz,
    -- When the gateway was last asked for the money.
    ADD COLUMN asked_at        timestamptz,
    ADD COLUMN last_inquiry_at timestamptz,
    -- When money came although the charge counted as declined.
    ADD COLUMN late_at         timestamptz,
    -- When the sweeper found it forgotten.
    ADD COLUMN woken_at        timestamptz,
    ALTER COLUMN balance_won DROP NOT NULL,
    ADD CONSTRAINT charges_settled_tell_a_balance CHECK ((status IN ('posted', 'refused')) = (balance_won IS NOT NULL)),
    ADD CONSTRAINT charges_asked_have_a_key CHECK (
        status = 'posted' OR (status IN ('open', 'refused')) = (payment_key IS NULL)),
    ADD CONSTRAINT charges_keys_were_brought CHECK (
        (payment_key IS NULL) = (requested_at IS NULL) AND (payment_key IS NULL) = (asked_at IS NULL)),
    ADD CONSTRAINT charges_by_card_fill_wallets CHECK (
        account = 'wallet' OR (payment_key IS NULL AND status IN ('posted', 'refused'))),
    -- What goes back was declined before it came.
    ADD CONSTRAINT charges_declined_with_a_reason CHECK (
        (status IN ('declined', 'returning', 'returned')) = (decline_reason IS NOT NULL));

-- One key pays for one thing; payments of orders have the same rule, and a lock on the key holds between the two.
CREATE UNIQUE INDEX charges_key_once ON charges (payment_key) WHERE payment_key IS NOT NULL AND status <> 'declined';
CREATE INDEX charges_by_key ON charges (payment_key) WHERE payment_key IS NOT NULL;
-- What is on its way counts against the limit of its customer.
CREATE INDEX charges_incoming ON charges (customer_id) WHERE status IN ('requesting', 'unknown');
CREATE INDEX charges_asked ON charges (requested_at) WHERE status IN ('requesting', 'unknown', 'returning');

-- The charge a webhook is about, if it is not about the payment of an order.
ALTER TABLE webhooks
    ADD COLUMN charge_id uuid,
    ADD CONSTRAINT webhooks_about_one_thing CHECK (payment_id IS NULL OR charge_id IS NULL);
DROP INDEX webhooks_unmatched;
CREATE INDEX webhooks_unmatched ON webhooks (received_at) WHERE payment_id IS NULL AND charge_id IS NULL;
