-- Which carts somebody without a token began, of whom there may be any number: they are the first to go.
-- And which checkouts gave way to another before anybody saw their order: it may still be held, and then leaves the cart.
SET LOCAL lock_timeout = '4s';
ALTER TABLE carts ADD COLUMN of_stranger boolean NOT NULL DEFAULT false;
ALTER TABLE cart_checkouts ADD COLUMN is_watched boolean NOT NULL DEFAULT false;
