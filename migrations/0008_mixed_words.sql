-- New words of enums can be used only once their transaction has ended, so they come before the tables that use them.
-- Points are worth a won each; promotions are where they come from. What a payment has set aside and not taken yet is
-- reserved.
ALTER TYPE ledger_account ADD VALUE 'wallet_reserved';
ALTER TYPE ledger_account ADD VALUE 'points';
ALTER TYPE ledger_account ADD VALUE 'points_reserved';
ALTER TYPE ledger_account ADD VALUE 'promotions';
-- Two-phase entries: set aside, then taken or given back. Everything else is posted at once.
CREATE TYPE ledger_phase AS ENUM ('pending', 'posted', 'voided');
