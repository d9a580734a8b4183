//! A world with a mail server and a data platform.

use std::sync::Arc;
use std::time::Duration;

use holdfast::domain::ids::{CommandId, OrderId, SkuCode};
use holdfast::domain::money::Won;
use holdfast::effects::mail::Mailer;
use holdfast::effects::report::DataPlatform;
use holdfast::effects::settings::Outlets;
use holdfast::event::{OrderEvent, RefundedItem};
use holdfast::message::Queue;
use holdfast::peers::secret::Secret;
use holdfast::store::events::{self, NewEvent};
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::platform::Platform;
use crate::smtp::Smtp;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::world::World;

/// What reports are signed with.
pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// What they are signed with as well, since it is about to replace the first.
pub const NEXT_SECRET: &str = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";
const FROM: &str = "The shop <shop@example.com>";
/// A platform that hangs is given up after this long.
const TIMEOUT: Duration = Duration::from_millis(500);

pub struct Stage {
    pub world: World,
    pub shop: Client,
    pub smtp: Smtp,
    pub platform: Platform,
}

impl Stage {
    /// Everything runs but the sweeper, and alice has an address.
    pub async fn new() -> Self {
        Self::without(&[]).await
    }

    /// [`Stage::new`] without some pools.
    pub async fn without(but: &[Pool]) -> Self {
        let stage = Self::idle().await;
        stage.smtp.open().await;
        let runs = |pool: &Pool| *pool != Pool::Sweep && !but.contains(pool);
        Pool::all().filter(runs).for_each(|pool| stage.world.start_workers(pool));
        stage
    }

    /// Only the API runs, and the mail server is down.
    pub async fn idle() -> Self {
        let mut world = World::idle().await;
        let (smtp, platform) = (Smtp::down().await, Platform::start().await);
        let secrets: Vec<Secret> = [SECRET, NEXT_SECRET].map(|secret| secret.to_owned().into()).into();
        world.outlets = Outlets {
            mailer: Some(Arc::new(Mailer::new(&smtp.url().into(), FROM).unwrap())),
            data_platform: Some(Arc::new(DataPlatform::new(&platform.url, &secrets, TIMEOUT).unwrap())),
        };
        world.environment = vec![
            ("HOLDFAST_MAIL_URL".to_owned(), smtp.url()),
            ("HOLDFAST_MAIL_FROM".to_owned(), FROM.to_owned()),
            ("HOLDFAST_DATA_PLATFORM_URL".to_owned(), platform.url.clone()),
            ("HOLDFAST_DATA_PLATFORM_SECRET".to_owned(), format!("{SECRET},{NEXT_SECRET}")),
        ];
        let shop = world.start_api().await;
        shop.stock("mug", 1_000).await;
        shop.stock("cup", 1_000).await;
        let contact = shop.put("/v1/customer", &json!({"email": "alice@example.com"})).await;
        assert_eq!(contact.status, 200, "{contact:?}");
        Self { world, shop, smtp, platform }
    }

    /// Starts what makes orders and takes payment.
    pub fn start_till(&self) {
        self.world.start_workers_of(&[Queue::OrderHold, Queue::PaymentConfirm]);
    }

    /// An order of alice over some mugs, paid.
    pub async fn paid(&self, mugs: i64) -> String {
        paid(&self.shop, "mug", mugs).await
    }

    /// Writes down that money was given back for an order, as whoever refunds does.
    pub async fn refund(&self, order: &str, mugs: i64, is_whole: bool) {
        let item = RefundedItem {
            sku: SkuCode::parse("mug").unwrap(),
            quantity: i32::try_from(mugs).unwrap(),
            amount_won: Won(mugs * 1_000),
            restocked: true,
        };
        let event = OrderEvent::Refunded {
            refund_id: CommandId::fresh(),
            amount_won: Won(mugs * 1_000),
            is_whole,
            items: vec![item],
        };
        let order_id = OrderId::from(order.parse::<Uuid>().unwrap());
        let mut tx = self.world.pool.begin().await.unwrap();
        events::append(&mut tx, &[NewEvent { order_id, command_id: None, event }]).await.unwrap();
        events::ring(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Waits until a customer's orders, payments and refunds are counted like this.
    pub async fn until_counted(&self, customer: &str, orders: i64, paid_won: i64, refunded_won: i64) {
        let shop = self.shop.as_customer(customer);
        let expected = json!([orders, paid_won, refunded_won]);
        let mut seen = Value::Null;
        eventually(&format!("{customer} is counted {expected}"), async || {
            let body = shop.get("/v1/customer").await.body;
            seen = json!([body["order_count"], body["paid_won"], body["refunded_won"]]);
            (seen == expected).then_some(())
        })
        .await;
    }

    /// Waits until nothing is left to be told.
    pub async fn until_all_is_told(&self) {
        eventually("no effect is open", async || {
            (self.world.count("SELECT count(*) FROM effects WHERE status = 'open'").await == 0).then_some(())
        })
        .await;
    }

    /// Rows of the outbox that ended like this.
    pub async fn ended(&self, status: &str) -> i64 {
        let sql = "SELECT count(*) FROM effects WHERE status = $1::text::effect_status";
        sqlx::query_scalar(sql).bind(status).fetch_one(&self.world.pool).await.unwrap()
    }

    /// Stops everything and checks the truths.
    pub async fn finish(self) {
        self.world.finish().await;
    }
}

/// An order over some units, paid from a wallet that is filled for it.
pub async fn paid(shop: &Client, sku: &str, units: i64) -> String {
    assert_eq!(shop.charge(units * 1_000).await.status, 201);
    let order = shop.place(sku, units, 600).await;
    assert_eq!(order.status, 201, "{order:?}");
    let id = order.text("id").to_owned();
    let answer = shop.pay(&id).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    id
}
