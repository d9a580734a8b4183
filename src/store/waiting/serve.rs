//! The turn of those who wait: what has come free goes to them in the transaction that frees it.
//!
//! Whoever calls has the SKUs locked, or locks them here, in the order of their ids. All else is locked only if nobody else has
//! it: the orders, which come before SKUs in the order of locks, and other SKUs of an order that wants several. Who is passed
//! over for that is served by the loop that looks at all lines (`loops/serve_waiting.rs`), and before anybody new.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::allocation::HeldItem;
use crate::domain::ids::{CustomerId, OrderId, SkuId};
use crate::domain::money::Won;
use crate::domain::order::{Hold, OrderState, OrderStep};
use crate::domain::refusal::Refusal;
use crate::domain::waiting::{InLine, Turn, WaitFor, take_turns};
use crate::event::OrderEvent;
use crate::store::decoded;
use crate::store::events::{self, NewEvent};
use crate::store::orders::{self, OrderRow};

/// Orders that are looked at in one transaction.
pub const AT_ONCE: i64 = 200;

/// What came of a look at some lines.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// The transaction's time.
    pub now: DateTime<Utc>,
    /// The holds that began, with their deadlines.
    pub holds: Vec<(DateTime<Utc>, OrderId)>,
    /// How many had waited long enough.
    pub ended: usize,
    /// Whether anybody has left a line: served, tired, or gone over to another one.
    pub has_moved: bool,
}

/// Orders that are looked at beside those for which there are units: some may be passed over.
const SPARE: i32 = 8;

/// Serves those in the lines of these SKUs who can be served, in the order of their places, at most [`AT_ONCE`] of them.
pub async fn serve(conn: &mut PgConnection, skus: &[SkuId]) -> sqlx::Result<Served> {
    let mut free = lock_free(&mut *conn, skus, true).await?;
    let now = orders::transaction_time(&mut *conn).await?;
    let (mut served, mut looked_at) = (Served { now, ..Served::default() }, 0);
    loop {
        // Everybody takes a unit at least, so no more than so many can be served.
        let units =
            skus.iter().filter_map(|sku| free.get(sku)).fold(0_i32, |sum, free| sum.saturating_add(*free));
        if units == 0 {
            break;
        }
        let at_most = i64::from(units.saturating_add(SPARE)).min(AT_ONCE);
        let look = serve_some(&mut *conn, skus, &mut free, now, at_most).await?;
        looked_at += look.found;
        served.holds.extend(look.holds);
        served.ended += look.ended;
        served.has_moved |= look.has_moved;
        // Who has left the line makes room for those behind.
        if look.found < at_most || !look.has_moved || looked_at >= AT_ONCE {
            break;
        }
    }
    shorten(conn, &free.into_keys().collect::<Vec<_>>()).await?;
    Ok(served)
}

/// What came of one look at the beginning of some lines.
struct FirstInLine {
    found: i64,
    holds: Vec<(DateTime<Utc>, OrderId)>,
    ended: usize,
    /// Whether somebody has left the line.
    has_moved: bool,
}

async fn serve_some(
    conn: &mut PgConnection,
    skus: &[SkuId],
    free: &mut HashMap<SkuId, i32>,
    now: DateTime<Utc>,
    at_most: i64,
) -> sqlx::Result<FirstInLine> {
    let line = candidates(&mut *conn, skus, at_most).await?;
    let found = line.len() as i64;
    let rows = lock_open(&mut *conn, &line.iter().map(|wait| wait.order_id).collect::<Vec<_>>()).await?;
    let (over, rows): (Vec<OrderRow>, Vec<OrderRow>) =
        rows.into_iter().partition(|order| order.expires_at.is_some_and(|until| until <= now));
    let ended = give_up(&mut *conn, over, now).await?;

    let ids: Vec<OrderId> = rows.iter().map(|order| order.id).collect();
    let mut items: HashMap<OrderId, Vec<HeldItem>> = HashMap::new();
    for (order, item) in orders::items_of(&mut *conn, &ids).await? {
        items.entry(order).or_default().push(item);
    }
    let others: HashSet<SkuId> = items.values().flatten().map(|item| item.sku_id).collect();
    let others: Vec<SkuId> = others.into_iter().filter(|sku| !free.contains_key(sku)).collect();
    free.extend(lock_free(&mut *conn, &others, false).await?);

    let mut rows: HashMap<OrderId, OrderRow> = rows.into_iter().map(|order| (order.id, order)).collect();
    let line: Vec<Candidate> = line.into_iter().filter(|wait| rows.contains_key(&wait.order_id)).collect();
    let wants: Vec<InLine> = line.iter().map(|wait| wait.wants(&items)).collect();
    let turns = take_turns(&wants, free);
    let mut outcome = Outcome::new(now);
    for (wait, turn) in line.iter().zip(turns) {
        if let Some(order) = rows.remove(&wait.order_id) {
            outcome.add(wait, order, items.remove(&wait.order_id).unwrap_or_default(), turn)?;
        }
    }
    let goes_over = !outcome.moves.is_empty();
    let holds = outcome.write(conn).await?;
    Ok(FirstInLine { found, has_moved: goes_over || ended > 0 || !holds.is_empty(), holds, ended })
}

/// Refuses those of these orders that wait no longer.
pub(super) async fn end(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<usize> {
    let now = orders::transaction_time(&mut *conn).await?;
    let rows = lock_open(&mut *conn, orders).await?;
    give_up(conn, rows, now).await
}

/// Refuses those of these locked orders whose time is up: the transition tells which.
async fn give_up(conn: &mut PgConnection, orders: Vec<OrderRow>, now: DateTime<Utc>) -> sqlx::Result<usize> {
    let (mut steps, mut told) = (vec![], vec![]);
    for order in orders {
        let (id, since) = (order.id, order.created_at);
        let customer_id = decoded(CustomerId::parse(order.customer_id))?;
        if let Ok((_, step)) = order.state.give_up(Refusal::WaitEnded, now) {
            let event =
                OrderEvent::Refused { customer_id, refusal: Refusal::WaitEnded, waiting_since: Some(since) };
            told.push(NewEvent { order_id: id, command_id: None, event });
            steps.push((id, step));
        }
    }
    if steps.is_empty() {
        return Ok(0);
    }
    let ids: Vec<OrderId> = steps.iter().map(|(order, _)| *order).collect();
    orders::refuse(&mut *conn, steps, &Refusal::WaitEnded).await?;
    super::leave(&mut *conn, &ids).await?;
    events::append(conn, &told).await?;
    Ok(ids.len())
}

/// Somebody in line who wants no more of a SKU than is free.
struct Candidate {
    order_id: OrderId,
    hold_seconds: i32,
    wait_for: WaitFor,
}

impl Candidate {
    fn wants(&self, items: &HashMap<OrderId, Vec<HeldItem>>) -> InLine {
        let items = items.get(&self.order_id).into_iter().flatten();
        InLine { wait_for: self.wait_for, items: items.map(|item| (item.sku_id, item.quantity)).collect() }
    }
}

/// The first in the lines of these SKUs who want no more than is free. Of each number of units that somebody wants, the first:
/// those who want more than there is are not walked through, and no more of a size than could be served, and a few.
async fn candidates(conn: &mut PgConnection, skus: &[SkuId], at_most: i64) -> sqlx::Result<Vec<Candidate>> {
    let skus: Vec<i64> = skus.iter().map(|sku| sku.0).collect();
    let rows = sqlx::query!(
        r#"WITH RECURSIVE sizes (sku_id, free, quantity) AS (
               SELECT sku_id, on_hand - reserved,
                      (SELECT min(quantity) FROM waiting_lines l WHERE l.sku_id = stock.sku_id)
                 FROM stock WHERE sku_id = ANY($1)
               UNION ALL
               SELECT sku_id, free, (SELECT min(l.quantity) FROM waiting_lines l
                                      WHERE l.sku_id = sizes.sku_id AND l.quantity > sizes.quantity)
                 FROM sizes WHERE quantity < free
           )
           SELECT DISTINCT w.place, w.order_id, w.hold_seconds, w.takes_any
             FROM (SELECT first.order_id FROM sizes CROSS JOIN LATERAL (
                          SELECT order_id, place FROM waiting_lines
                           WHERE sku_id = sizes.sku_id AND quantity = sizes.quantity
                           ORDER BY place LIMIT least($2::bigint, sizes.free / sizes.quantity + 8)) first
                    WHERE quantity <= free ORDER BY first.place LIMIT $2) first
            CROSS JOIN LATERAL (SELECT * FROM waiting_orders WHERE order_id = first.order_id OFFSET 0) w
            ORDER BY w.place"#,
        &skus,
        at_most,
    )
    .fetch_all(conn)
    .await?;
    let candidates = rows.into_iter().map(|row| Candidate {
        order_id: row.order_id.into(),
        hold_seconds: row.hold_seconds,
        wait_for: if row.takes_any { WaitFor::Any } else { WaitFor::All },
    });
    Ok(candidates.collect())
}

/// Those of these orders that still wait, locked, without those that somebody else has locked.
async fn lock_open(conn: &mut PgConnection, orders: &[OrderId]) -> sqlx::Result<Vec<OrderRow>> {
    let rows = orders::lock_unlocked(conn, orders).await?;
    Ok(rows.into_iter().filter(|order| matches!(order.state, OrderState::Waiting(_))).collect())
}

/// Units of these SKUs that are free to be held, none of what is not sold now. The SKUs are locked, in the order of their ids;
/// those that somebody else has locked are waited for, or left out.
async fn lock_free(
    conn: &mut PgConnection,
    skus: &[SkuId],
    waits: bool,
) -> sqlx::Result<HashMap<SkuId, i32>> {
    if skus.is_empty() {
        return Ok(HashMap::new());
    }
    let skus: Vec<i64> = skus.iter().map(|sku| sku.0).collect();
    let locked = match waits {
        true => sqlx::query_scalar!(
            "SELECT sku_id FROM stock WHERE sku_id = ANY($1) ORDER BY sku_id FOR NO KEY UPDATE",
            &skus,
        )
        .fetch_all(&mut *conn),
        false => sqlx::query_scalar!(
            "SELECT sku_id FROM stock WHERE sku_id = ANY($1) ORDER BY sku_id FOR NO KEY UPDATE SKIP LOCKED",
            &skus,
        )
        .fetch_all(&mut *conn),
    };
    let locked = locked.await?;
    let rows = sqlx::query!(
        r#"SELECT st.sku_id, CASE WHEN s.is_active AND coalesce(s.sale_from <= now(), true)
                                   AND coalesce(now() < s.sale_until, true)
                                  THEN st.on_hand - st.reserved ELSE 0 END AS "free!"
             FROM stock st CROSS JOIN LATERAL (
                  SELECT is_active, sale_from, sale_until FROM skus WHERE id = st.sku_id OFFSET 0) s
            WHERE st.sku_id = ANY($1)"#,
        &locked,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (SkuId(row.sku_id), row.free)).collect())
}

/// What a look at the lines comes to.
struct Outcome {
    now: DateTime<Utc>,
    taken: BTreeMap<i64, i32>,
    steps: Vec<(OrderId, OrderStep)>,
    holds: Vec<(OrderId, Hold, Won)>,
    /// What is dropped by those who take any.
    dropped: Vec<(OrderId, SkuId)>,
    /// Who goes over to another line.
    moves: Vec<(OrderId, SkuId, i32)>,
    told: Vec<NewEvent>,
}

impl Outcome {
    fn new(now: DateTime<Utc>) -> Self {
        let (taken, steps, holds) = (BTreeMap::new(), vec![], vec![]);
        Self { now, taken, steps, holds, dropped: vec![], moves: vec![], told: vec![] }
    }

    fn add(
        &mut self,
        wait: &Candidate,
        order: OrderRow,
        items: Vec<HeldItem>,
        turn: Turn,
    ) -> sqlx::Result<()> {
        let gets = match turn {
            Turn::Served(gets) => gets,
            Turn::WaitsFor(sku, units) => {
                self.moves.push((order.id, sku, units));
                return Ok(());
            }
            Turn::Stays => return Ok(()),
        };
        let expires_at = self.now + TimeDelta::seconds(wait.hold_seconds.into());
        let hold = Hold { began_at: self.now, expires_at, extension_count: 0 };
        let customer_id = decoded(CustomerId::parse(order.customer_id))?;
        let Ok((_, step)) = order.state.serve(hold) else { return Ok(()) };
        let (kept, dropped): (Vec<HeldItem>, Vec<HeldItem>) =
            items.into_iter().partition(|item| gets.iter().any(|(sku, _)| *sku == item.sku_id));
        let amount_won = Won(kept.iter().map(|item| item.amount.0).sum());
        for (sku, units) in gets {
            *self.taken.entry(sku.0).or_default() += units;
        }
        self.dropped.extend(dropped.into_iter().map(|item| (order.id, item.sku_id)));
        self.steps.push((order.id, step));
        self.holds.push((order.id, hold, amount_won));
        let waiting_since = Some(order.created_at);
        let event = OrderEvent::Held { customer_id, amount_won, expires_at, waiting_since };
        self.told.push(NewEvent { order_id: order.id, command_id: None, event });
        Ok(())
    }

    /// Does it all. Returns the holds that began.
    async fn write(self, conn: &mut PgConnection) -> sqlx::Result<Vec<(DateTime<Utc>, OrderId)>> {
        go_over(&mut *conn, &self.moves).await?;
        if self.holds.is_empty() {
            return Ok(vec![]);
        }
        let (skus, units): (Vec<i64>, Vec<i32>) = self.taken.into_iter().unzip();
        sqlx::query!(
            "UPDATE stock SET reserved = stock.reserved + taken.units
               FROM unnest($1::bigint[], $2::int[]) AS taken (sku_id, units) WHERE stock.sku_id = taken.sku_id",
            &skus,
            &units,
        )
        .execute(&mut *conn)
        .await?;
        orders::advance(&mut *conn, self.steps).await?;
        orders::begin_holds(&mut *conn, &self.holds).await?;
        orders::drop_items(&mut *conn, &self.dropped).await?;
        let served: Vec<OrderId> = self.holds.iter().map(|(order, ..)| *order).collect();
        super::leave(&mut *conn, &served).await?;
        events::append(conn, &self.told).await?;
        Ok(self.holds.into_iter().map(|(order, hold, _)| (hold.expires_at, order)).collect())
    }
}

/// Lets orders that want all of their items stand in another line, at the same place.
async fn go_over(conn: &mut PgConnection, moves: &[(OrderId, SkuId, i32)]) -> sqlx::Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    let orders: Vec<Uuid> = moves.iter().map(|(order, ..)| order.uuid()).collect();
    let skus: Vec<i64> = moves.iter().map(|(_, sku, _)| sku.0).collect();
    let units: Vec<i32> = moves.iter().map(|(.., units)| *units).collect();
    sqlx::query!(
        "UPDATE waiting_lines l SET sku_id = other.sku_id, quantity = other.units
           FROM unnest($1::uuid[], $2::bigint[], $3::int[]) AS other (order_id, sku_id, units)
          WHERE l.order_id = other.order_id AND (l.sku_id, l.quantity) <> (other.sku_id, other.units)",
        &orders,
        &skus,
        &units,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes down the least that somebody in the lines of these locked SKUs wants.
async fn shorten(conn: &mut PgConnection, skus: &[SkuId]) -> sqlx::Result<()> {
    let skus: Vec<i64> = skus.iter().map(|sku| sku.0).collect();
    sqlx::query!(
        "UPDATE stock SET least_waiting = line.least
           FROM (SELECT wanted.sku_id, (SELECT min(quantity) FROM waiting_lines l WHERE l.sku_id = wanted.sku_id) AS least
                   FROM unnest($1::bigint[]) AS wanted (sku_id)) line
          WHERE stock.sku_id = line.sku_id AND stock.least_waiting IS DISTINCT FROM line.least",
        &skus,
    )
    .execute(conn)
    .await?;
    Ok(())
}
