//! Dead letters as tables and text; control characters of strangers are shown, not obeyed.

use chrono::{DateTime, SecondsFormat, Utc};
use holdfast::ops::dead_letters::body::{hex_dump, pretty};
use holdfast::ops::dead_letters::detail::DeadLetterDetail;
use holdfast::ops::dead_letters::edit::DiffLine;
use holdfast::store::dead_letters::lists::{Group, Summary};
use holdfast::terminal::printable;

use crate::cli::output::say;

/// An error on a line of a table.
const MAX_ERROR_CHARS: usize = 80;

pub(super) fn groups(groups: &[Group]) {
    say!("{:>9}  {:15}  {:12}  {:15}  {:20}  last died", "letters", "queue", "class", "type", "first died");
    for group in groups {
        say!(
            "{:>9}  {:15}  {:12}  {:15}  {}  {}",
            group.count,
            printable(&group.queue),
            printable(&group.error_class),
            printable(&group.message_type),
            second(group.first_died_at),
            second(group.last_died_at),
        );
    }
    let letters: i64 = groups.iter().map(|group| group.count).sum();
    say!("{letters} dead letters in {} groups", groups.len());
}

pub(super) fn table(letters: &[Summary]) {
    say!("{:36}  {:20}  {:15}  {:12}  error", "id", "last died", "queue", "class");
    for letter in letters {
        let when = second(letter.last_died_at);
        let error: String = printable(&letter.error_text).chars().take(MAX_ERROR_CHARS).collect();
        let (queue, class) = (printable(&letter.queue), printable(&letter.error_class));
        say!("{}  {when}  {queue:15}  {class:12}  {error}", letter.id);
    }
    say!("{} dead letters", letters.len());
}

pub(super) fn letter(detail: &DeadLetterDetail) {
    let letter = &detail.letter;
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let replaced_by = detail.replaced_by.as_ref().map(|copy| match copy.dead_letter_id {
        Some(id) => format!("message {}, which died as {id}", copy.message_id),
        None => format!("message {}", copy.message_id),
    });
    let fields = [
        ("id", letter.id.to_string()),
        ("status", letter.status.name().to_owned()),
        ("queue", letter.queue.clone()),
        ("type", letter.message_type.clone()),
        ("message", letter.message_id.clone()),
        ("order", or_dash(letter.order_id.map(|id| id.to_string()))),
        ("customer", or_dash(letter.customer_id.clone())),
        ("skus", letter.skus.join(" ")),
        ("trace", or_dash(letter.trace_id.clone())),
        ("error", format!("{}: {}", letter.error_class, letter.error_text)),
        ("attempts", letter.attempts.to_string()),
        ("deaths", letter.death_count.to_string()),
        ("replays", letter.replay_count.to_string()),
        ("repeat", if letter.is_repeat_failure { "died again after a replay" } else { "no" }.to_owned()),
        ("first died", letter.first_died_at.to_rfc3339()),
        ("last died", letter.last_died_at.to_rfc3339()),
        ("replaces", or_dash(detail.replaces.map(|id| id.to_string()))),
        ("replaced by", or_dash(replaced_by)),
        ("headers", letter.headers.to_string()),
    ];
    for (name, value) in fields {
        say!("{name:12}{}", printable(&value));
    }
    say!("body");
    let body = letter.body.bytes();
    lines(&pretty(&body).unwrap_or_else(|| hex_dump(&body)));
    story(detail);
}

fn story(detail: &DeadLetterDetail) {
    say!("deaths");
    for death in &detail.deaths {
        let error = printable(&format!("{}: {}", death.error_class, death.error_text));
        say!("  {}  {error}", second(death.died_at));
    }
    say!("actions");
    for action in &detail.actions {
        let reason = action.reason.as_deref().unwrap_or_default();
        let line = printable(&format!("{} by {} {reason}", action.action, action.actor));
        say!("  {}  {}", second(action.created_at), line.trim_end());
    }
}

pub(super) fn difference(difference: &[DiffLine]) {
    for line in difference {
        say!("{} {}", line.sign, printable(&line.text));
    }
}

fn lines(text: &str) {
    text.lines().for_each(|line| say!("  {}", printable(line)));
}

fn second(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
