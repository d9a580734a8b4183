//! What asking a gateway for money comes to, whatever the money is for: one call per batch and purpose, chosen by where
//! its row stands, and what becomes of the messages that asked for it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{OptionFuture, join_all};
use holdfast::domain::card::{CardFinding, CardStatus, ask_again_after};
use holdfast::domain::gateway::{CallKey, GatewayOrderId, GatewayPayment, PaymentKey, Standing};
use holdfast::domain::ids::CommandId;
use holdfast::domain::money::Won;
use holdfast::gateway::port::{Cancel, CancelAnswer, Confirm, ConfirmAnswer, FindAnswer, Gateway};
use holdfast::store::payments;
use sqlx::PgConnection;
use tracing::warn;

use crate::engine::stop_points;
use crate::engine::worker::Verdict;

/// Looking up what is to be asked takes no longer, unless the server is gone.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Calls end a little later than their limit says.
const QUIET_MARGIN_SECONDS: i64 = 5;

/// How often something that counts as declined is looked at again after calls that failed: for about ten minutes.
const SOME_MORE_TIMES: u32 = 16;

/// Money that a gateway is asked about.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Our id of it, from which the keys of all its calls are made.
    pub(crate) id: CommandId,
    /// What the gateway knows as the order.
    pub(crate) order: GatewayOrderId,
    /// How much is asked for.
    pub(crate) amount: Won,
    /// The gateway's name of it.
    pub(crate) key: PaymentKey,
    pub(crate) status: CardStatus,
    /// Since when it is open.
    pub(crate) created_at: DateTime<Utc>,
}

/// What became of a message's question.
#[derive(Debug, Clone)]
pub(crate) enum Inquiry {
    NotYet,
    /// It is at its end, is not known, or another message of the batch asks about it.
    NotNeeded,
    Answered(GatewayAnswer),
}

/// What a gateway answered to a question.
#[derive(Debug, Clone)]
pub(crate) struct GatewayAnswer {
    id: CommandId,
    /// Where the row stood when the gateway was asked.
    status: CardStatus,
    pub(crate) finding: CardFinding,
    /// PostgreSQL's clock when the row was looked up. The answer may be applied much later, after an outage: what has not
    /// happened by then may have happened since.
    pub(crate) looked_at: DateTime<Utc>,
}

impl GatewayAnswer {
    /// What a person says about a row that they have looked for at the gateway themselves.
    pub(crate) fn stated(question: &Question, finding: CardFinding, looked_at: DateTime<Utc>) -> Self {
        Self { id: question.id, status: question.status, finding, looked_at }
    }

    /// Whether it says something about the row as it stands now. What was taken or refused stays so, whoever else has
    /// asked meanwhile; anything else is old news.
    fn holds_for(&self, status: CardStatus) -> bool {
        match self.finding {
            _ if self.status == status => true,
            CardFinding::Captured => status != CardStatus::Returning,
            CardFinding::NotTaken { .. } => matches!(status, CardStatus::Requesting | CardStatus::Unknown),
            _ => false,
        }
    }
}

/// Asks about each of the open rows once, all at the same time; the first message about one gets the answer.
pub(crate) async fn ask_once<T, A, F: Future<Output = A>>(
    ids: &[CommandId],
    mut open: HashMap<CommandId, T>,
    ask: impl Fn(T) -> F,
) -> Vec<Option<A>> {
    stop_points::point("before_call").await;
    let asking = ids.iter().map(|id| OptionFuture::from(open.remove(id).map(&ask)));
    let answers = join_all(asking).await;
    stop_points::point("after_call").await;
    answers
}

/// [`ask_once`] what each row's state requires.
pub(crate) async fn ask_each<T>(
    gateway: &dyn Gateway,
    ids: &[CommandId],
    open: HashMap<CommandId, T>,
    looked_at: DateTime<Utc>,
) -> Vec<Inquiry>
where
    Question: for<'a> From<&'a T>,
{
    let answers = ask_once(ids, open, |row| async move {
        let question = Question::from(&row);
        let finding = ask(gateway, &question).await;
        GatewayAnswer { id: question.id, status: question.status, finding, looked_at }
    });
    answers.await.into_iter().map(|answer| answer.map_or(Inquiry::NotNeeded, Inquiry::Answered)).collect()
}

/// Decides each locked row that a message got an answer about which still holds. Returns the verdicts by row. `contested`
/// are the keys of declined rows that pay for something else, or may.
pub(crate) fn decide_each<'a, T>(
    asked: impl Iterator<Item = &'a Inquiry>,
    locked: &HashMap<CommandId, T>,
    contested: &HashSet<PaymentKey>,
    mut decide: impl FnMut(&T, &GatewayAnswer) -> Verdict,
) -> HashMap<CommandId, Verdict>
where
    Question: for<'b> From<&'b T>,
{
    let mut decided = HashMap::new();
    for asked in asked {
        let Inquiry::Answered(answer) = asked else { continue };
        let Some(row) = locked.get(&answer.id) else { continue };
        let question = Question::from(row);
        if !answer.holds_for(question.status) {
            continue;
        }
        let is_contested = question.status == CardStatus::Declined && contested.contains(&question.key);
        let verdict = if is_contested { some_more_times(CONTESTED) } else { decide(row, answer) };
        decided.insert(answer.id, verdict);
    }
    decided
}

/// What becomes of a message: the verdict on its question if that was decided, and otherwise another try while the
/// locked row is open, or counts as declined by an answer that may be older than this message. A hint never asks on and
/// on: it only hurried a message that does.
pub(crate) fn verdict(
    asked: &Inquiry,
    decided: Option<&Verdict>,
    locked: Option<Question>,
    is_hint: bool,
    now: DateTime<Utc>,
) -> Verdict {
    const ANOTHER: &str = "another message has asked about it";
    let verdict = match (asked, decided, locked) {
        (Inquiry::NotYet, ..) if is_hint => some_more_times("the gateway could not be asked"),
        (Inquiry::NotYet, ..) => again("the gateway could not be asked", TimeDelta::zero()),
        (Inquiry::NotNeeded, Some(Verdict::Done), _) if is_hint => some_more_times(ANOTHER),
        (_, Some(verdict), _) => verdict.clone(),
        (_, None, Some(Question { status: CardStatus::Declined, .. })) => some_more_times(ANOTHER),
        (_, None, Some(open)) => again(ANOTHER, now - open.created_at),
        (_, None, None) => Verdict::Done,
    };
    match verdict {
        Verdict::Later { .. } if is_hint => Verdict::Done,
        verdict => verdict,
    }
}

/// Why a declined payment waits though money may have come for it.
const CONTESTED: &str = "its payment key is being asked for by another payment";

/// The keys of declined rows that pay for something else, or may: nothing is settled under them until that is decided.
/// Locks the keys until the transaction ends. Lock the rows and purses first.
pub(crate) async fn contested<'a>(
    tx: &mut PgConnection,
    rows: impl Iterator<Item = (CardStatus, &'a PaymentKey)>,
) -> sqlx::Result<HashSet<PaymentKey>> {
    let keys: Vec<&PaymentKey> =
        rows.filter(|(status, _)| *status == CardStatus::Declined).map(|(_, key)| key).collect();
    payments::keys_in_use(tx, &keys).await
}

/// After this time no call to the gateway is on its way any more.
pub(crate) fn quiet(gateway: &dyn Gateway) -> TimeDelta {
    TimeDelta::from_std(gateway.longest_call()).unwrap_or(TimeDelta::MAX)
        + TimeDelta::seconds(QUIET_MARGIN_SECONDS)
}

/// A retry without end: money that may have been taken is never forgotten.
pub(crate) fn again(why: &'static str, open_for: TimeDelta) -> Verdict {
    Verdict::Later { why, after: ask_again_after(open_for) }
}

/// [`again`], after an answer that left it open.
pub(crate) fn ask_on(open: CardStatus, open_for: TimeDelta) -> Verdict {
    // "Not yet" is an answer, too: the gateway is well and can be asked for the money at once.
    let open_for = if open == CardStatus::Requesting { TimeDelta::zero() } else { open_for };
    again("the gateway has given no definite answer", open_for)
}

/// A retry that ends: nothing says yet that money was taken.
pub(crate) fn some_more_times(why: &str) -> Verdict {
    Verdict::Retry { why: why.to_owned(), limit: SOME_MORE_TIMES }
}

/// Asks what the state requires. All keys are made of the id, so that a repeated call is the same call.
async fn ask(gateway: &dyn Gateway, question: &Question) -> CardFinding {
    match question.status {
        CardStatus::Requesting => confirm(gateway, question).await,
        CardStatus::Unknown | CardStatus::Declined => look(gateway, question).await,
        CardStatus::Returning => give_back(gateway, question).await,
    }
}

async fn confirm(gateway: &dyn Gateway, question: &Question) -> CardFinding {
    let ask = Confirm {
        payment: question.key.clone(),
        order: question.order.clone(),
        amount: question.amount,
        call_key: CallKey::from(question.id.0),
    };
    match gateway.confirm(&ask).await {
        ConfirmAnswer::Approved(_) => CardFinding::Captured,
        ConfirmAnswer::Declined { code, .. } => CardFinding::NotTaken { code },
        ConfirmAnswer::Unknown { why } => {
            warn!(id = %question.id.0, %why, "it is not known whether money was taken");
            CardFinding::Unsure
        }
    }
}

async fn look(gateway: &dyn Gateway, question: &Question) -> CardFinding {
    match gateway.find(&question.key).await {
        FindAnswer::Found(found) => judge(question, &found),
        FindAnswer::NotFound => CardFinding::NotFound,
        FindAnswer::Unknown { .. } => CardFinding::Unsure,
    }
}

fn judge(question: &Question, found: &GatewayPayment) -> CardFinding {
    match found.standing(&question.order, question.amount) {
        Standing::Captured { returned } if returned == question.amount => CardFinding::Returned,
        Standing::Captured { returned: Won(0) } => CardFinding::Captured,
        Standing::Captured { returned } => {
            let (id, returned_won) = (question.id.0, returned.0);
            warn!(%id, returned_won, "part of the money was given back elsewhere, a person must look");
            CardFinding::Unsure
        }
        Standing::Pending => CardFinding::Pending,
        Standing::NotTaken => CardFinding::NotTaken { code: "NOT_TAKEN".to_owned() },
        Standing::Differs { field } => {
            warn!(id = %question.id.0, field, "the gateway knows this payment key as somebody else's");
            CardFinding::NotFound
        }
    }
}

/// Gives late money back. An answer that leaves it open is looked up: the money may have gone back before.
async fn give_back(gateway: &dyn Gateway, question: &Question) -> CardFinding {
    let key = format!("late-{}", question.id.0);
    let ask = Cancel {
        payment: question.key.clone(),
        amount: None,
        reason: key.clone(),
        call_key: CallKey::parse(key).expect("a uuid is visible ASCII"),
    };
    match gateway.cancel(&ask).await {
        CancelAnswer::Cancelled { .. } => CardFinding::Returned,
        CancelAnswer::Refused { code, .. } => {
            warn!(id = %question.id.0, code, "the gateway does not take late money back, a person must look");
            look(gateway, question).await
        }
        CancelAnswer::Unknown { .. } => look(gateway, question).await,
    }
}
