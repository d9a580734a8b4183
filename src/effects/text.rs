//! What mails say.

use std::fmt::Write as _;

use crate::domain::money::Won;
use crate::domain::notice::{Matter, Notice};

/// The subject: our own words and an id.
pub(super) fn subject(notice: &Notice) -> String {
    match notice.matter {
        Matter::Paid { .. } => format!("Your order {} is paid", notice.order_id),
        Matter::Refunded { .. } => format!("A refund for your order {}", notice.order_id),
    }
}

pub(super) fn text(notice: &Notice) -> String {
    let amount = won(notice.amount);
    let (opening, sum) = match notice.matter {
        Matter::Paid { .. } => (format!("We have received {amount}. Thank you for your order!"), "Paid"),
        Matter::Refunded { is_whole: true, .. } => {
            (format!("We have given {amount} back to you. Nothing of your order is left."), "Given back")
        }
        Matter::Refunded { is_whole: false, .. } => {
            (format!("We have given {amount} back to you for a part of your order."), "Given back")
        }
    };
    let mut text = format!("{opening}\n\nOrder {}\n\n", notice.order_id);
    for item in &notice.items {
        // Names come from the shop; a line of ours shall stay one line.
        let name: String = item.name.chars().filter(|c| !c.is_control()).collect();
        writeln!(text, "  {} x {name}: {}", item.quantity, won(item.amount))
            .expect("a string takes any text");
    }
    write!(text, "\n{sum}: {amount}\n").expect("a string takes any text");
    text
}

/// An amount as people read it, such as `15,000 won`.
fn won(amount: Won) -> String {
    let digits = amount.0.unsigned_abs().to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    format!("{}{} won", if amount.0 < 0 { "-" } else { "" }, groups.join(","))
}
