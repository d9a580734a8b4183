//! What mails say.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::money::Won;
use crate::domain::notice::{Matter, Notice};

/// The subject: our own words and an id, in one line of a mail.
pub(super) fn subject(notice: &Notice) -> String {
    match notice.matter {
        Matter::Paid { .. } => format!("Your order {} is paid", notice.order_id),
        Matter::Refunded { .. } => format!("A refund for your order {}", notice.order_id),
        Matter::Held { .. } => format!("It is your turn: order {}", notice.order_id),
        Matter::Refused { .. } => format!("Your turn did not come: order {}", notice.order_id),
    }
}

/// The text, with times as they are in this zone.
pub(super) fn text(notice: &Notice, time_zone: Tz) -> String {
    let amount = won(notice.amount);
    let (opening, sum) = match notice.matter {
        Matter::Paid { .. } => {
            (format!("We have received {amount}. Thank you for your order!"), Some("Paid"))
        }
        Matter::Refunded { is_whole: true, .. } => (
            format!("We have given {amount} back to you. Nothing of your order is left."),
            Some("Given back"),
        ),
        Matter::Refunded { is_whole: false, .. } => {
            (format!("We have given {amount} back to you for a part of your order."), Some("Given back"))
        }
        Matter::Held { expires_at, held_until, .. } => {
            let until = time(held_until.unwrap_or(expires_at), time_zone);
            let opening = format!(
                "It is your turn!\nWhat you waited for is held until {until}.\n\
                 Pay {amount} before then, or it goes to others."
            );
            (opening, Some("To pay"))
        }
        Matter::Refused { .. } => {
            let opening = "Your turn did not come: too little came free while you waited.\nYou pay nothing.";
            (opening.to_owned(), None)
        }
    };
    let mut text = format!("{opening}\n\nOrder {}\n\n", notice.order_id);
    for item in &notice.items {
        // Names come from the shop; a line of ours shall stay one line.
        let name: String = item.name.chars().filter(|c| !c.is_control()).collect();
        writeln!(text, "  {} x {name}: {}", item.quantity, won(item.amount))
            .expect("a string takes any text");
    }
    if let Some(sum) = sum {
        write!(text, "\n{sum}: {amount}\n").expect("a string takes any text");
    }
    text
}

/// An instant as people read it, such as `2026-11-30 18:20:05 KST`.
fn time(instant: DateTime<Utc>, time_zone: Tz) -> String {
    instant.with_timezone(&time_zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
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
