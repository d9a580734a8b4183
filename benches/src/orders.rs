//! Orders out of thin air: as commands, and as the HTTP requests that ask for the same.

use holdfast::domain::ids::{CustomerId, IdempotencyKey, OrderId, SkuCode};
use holdfast::domain::items::{HoldSeconds, Quantity, RequestedItem, RequestedItems};
use holdfast::message::{HoldOrder, Version};

use crate::http::request;
use crate::stage::SHOP_TOKEN;

/// Random customers come out of so many that no limit of a customer is ever met.
const CUSTOMERS: u64 = 1_000_000_000;

/// What orders look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    /// Orders name one of so many SKUs.
    pub(crate) skus: u32,
    pub(crate) hold_seconds: i64,
}

/// One order of one unit, before anybody has asked for it.
pub(crate) struct Wish {
    customer: CustomerId,
    key: IdempotencyKey,
    sku: u32,
    hold_seconds: i64,
}

impl Orders {
    pub(crate) fn next(self) -> anyhow::Result<Wish> {
        self.of(&format!("customer-{}", fastrand::u64(..CUSTOMERS)), fastrand::u64(..))
    }

    /// The order of this customer and number: the same wish whenever it is asked for.
    pub(crate) fn of(self, customer: &str, number: u64) -> anyhow::Result<Wish> {
        Ok(Wish {
            customer: CustomerId::parse(customer)?,
            key: IdempotencyKey::parse(format!("{number:016x}"))?,
            sku: 1 + u32::try_from(number % u64::from(self.skus))?,
            hold_seconds: self.hold_seconds,
        })
    }
}

impl Wish {
    pub(crate) fn order_id(&self) -> OrderId {
        OrderId::derive(&self.customer, &self.key)
    }

    /// As the API would enqueue it.
    pub(crate) fn command(self) -> anyhow::Result<HoldOrder> {
        let sku = SkuCode::parse(format!("sku-{}", self.sku))?;
        let items = RequestedItems::parse(vec![RequestedItem { sku, quantity: Quantity::parse(1)? }])?;
        let hold_seconds = HoldSeconds::parse(self.hold_seconds)?;
        Ok(HoldOrder {
            version: Version,
            order_id: self.order_id(),
            fingerprint: items.fingerprint(hold_seconds),
            expected_amount_won: None,
            wait: None,
            customer_id: self.customer,
            items,
            hold_seconds,
        })
    }

    /// As a shop would ask for it.
    pub(crate) fn request(&self) -> Vec<u8> {
        let headers = format!(
            "Authorization: Bearer {SHOP_TOKEN}\r\nHoldfast-Customer: {}\r\nIdempotency-Key: {}\r\n",
            self.customer,
            self.key.as_str()
        );
        let (sku, seconds) = (self.sku, self.hold_seconds);
        let body = format!(r#"{{"items":[{{"sku":"sku-{sku}","quantity":1}}],"hold_seconds":{seconds}}}"#);
        request("POST", "/v1/orders", &headers, &body)
    }
}
