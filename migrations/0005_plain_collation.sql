-- Codes and customer ids are compared byte by byte. Left to the language of the database, every step through an index
-- would ask the C library for its opinion, which costs a tenth of a hold.
ALTER TABLE skus ALTER COLUMN code TYPE text COLLATE "C";
ALTER TABLE orders ALTER COLUMN customer_id TYPE text COLLATE "C";
ALTER TABLE wallets ALTER COLUMN customer_id TYPE text COLLATE "C";
ALTER TABLE wallet_charges ALTER COLUMN customer_id TYPE text COLLATE "C";
ALTER TABLE ledger_entries ALTER COLUMN customer_id TYPE text COLLATE "C";
