//! Tests of the life of an order: its transitions, its table and its picture are the same.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");
const BEGIN: &str = "<!-- The states of an order: begin -->\n";
const END: &str = "<!-- The states of an order: end -->\n";

type TableRow = (&'static str, &'static str, &'static str);

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn rows() -> BTreeSet<TableRow> {
    table().map(|(from, name, to)| (from.name(), name, to.name())).collect()
}

/// The picture of a table, as ARCHITECTURE shows it.
fn picture() -> String {
    let arrows = table().map(|(from, name, to)| format!("    {} --> {}: {name}\n", from.name(), to.name()));
    format!("```mermaid\nstateDiagram-v2\n    [*] --> accepted\n{}```\n", arrows.collect::<String>())
}

/// Every transition that there is, of an order that exists.
const TRANSITIONS: [fn(OrderState, DateTime<Utc>) -> Transition; 9] = [
    OrderState::pay,
    OrderState::ask,
    OrderState::capture,
    |order, _| order.decline(),
    OrderState::expire,
    OrderState::cancel,
    OrderState::pay_late,
    |order, now| {
        let expires_at = now + chrono::TimeDelta::seconds(10);
        order.serve(Hold { began_at: now, expires_at, extension_count: 0 })
    },
    |order, now| order.give_up(Refusal::AmountTooLarge, now),
];

/// One of each state, on hold until the tenth second.
fn states() -> [OrderState; 9] {
    let hold = Hold { began_at: at(0), expires_at: at(10), extension_count: 0 };
    [
        OrderState::wait(Wait { since: at(0), until: at(10) }).0,
        OrderState::hold(hold).0,
        OrderState::Paying(hold),
        OrderState::Paid { paid_at: at(5) },
        OrderState::PartlyRefunded,
        OrderState::Refunded,
        OrderState::refuse(Refusal::AmountTooLarge).0,
        OrderState::Expired { expires_at: at(10), released_at: at(10) },
        OrderState::Cancelled { cancelled_at: at(5) },
    ]
}

#[test]
fn the_picture_in_architecture_is_the_table() {
    let shown =
        ARCHITECTURE.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(shown, _)| shown);
    let right = picture();
    assert_eq!(shown, Some(right.as_str()), "between its marks ARCHITECTURE.md is to show:\n{right}");
}

#[test]
fn the_transitions_are_the_table_and_nothing_else() {
    let hold = Hold { began_at: at(0), expires_at: at(10), extension_count: 0 };
    let begun = [
        OrderState::hold(hold),
        OrderState::refuse(Refusal::AmountTooLarge),
        OrderState::wait(Wait { since: at(0), until: at(10) }),
    ];
    let mut found: BTreeSet<TableRow> = BTreeSet::new();
    let mut note = |OrderStep { from, name, to }| {
        found.insert((from.name(), name, to.name()));
        (from, to)
    };
    for (state, step) in begun {
        assert_eq!(note(step), (OrderStatus::Accepted, state.status()));
    }
    for second in [9, 10] {
        for transition in TRANSITIONS {
            for state in states() {
                let before = state.status();
                match transition(state, at(second)) {
                    Ok((state, step)) => assert_eq!(note(step), (before, state.status())),
                    Err(state) => assert_eq!(state.status(), before),
                }
            }
        }
    }
    for state in states() {
        let before = state.status();
        match state.refund() {
            Ok(RefundStep { part, whole }) => {
                assert_eq!(note(part), (before, OrderStatus::PartlyRefunded));
                assert_eq!(note(whole), (before, OrderStatus::Refunded));
            }
            Err(state) => assert_eq!(state.status(), before),
        }
    }
    assert_eq!(found, rows());
}

#[test]
fn every_status_has_a_name_of_its_own_and_is_found_by_it() {
    for (state, status) in states().iter().zip(OrderStatus::ALL) {
        assert_eq!((state.status(), OrderStatus::from_name(state.name())), (status, Some(status)));
    }
    assert_eq!(OrderStatus::from_name(OrderState::Accepted.name()), None);
}

proptest! {
    #[test]
    fn no_sequence_of_steps_leaves_the_picture(
        waits: bool, moves in prop::collection::vec((0..TRANSITIONS.len() + 2, 0i64..20), 0..40),
    ) {
        let rows = rows();
        let hold = Hold { began_at: at(0), expires_at: at(10), extension_count: 0 };
        let (mut order, _step) = match waits {
            true => OrderState::wait(Wait { since: at(0), until: at(10) }),
            false => OrderState::hold(hold),
        };
        let mut ends = at(10);
        for (chosen, second) in moves {
            let (before, was) = (order.status(), format!("{order:?}"));
            let was_final = order.is_final();
            if let OrderState::Held(hold) | OrderState::Paying(hold) = order {
                ends = hold.expires_at;
            }
            let taken = match TRANSITIONS.get(chosen) {
                Some(transition) => order.go(|order| transition(order, at(second))),
                // A refund's end is counted by the store: here of a part, there of the whole.
                None => {
                    let is_whole = chosen > TRANSITIONS.len();
                    order.go(|order| {
                        let step = order.refund()?;
                        Ok(if is_whole {
                            (OrderState::Refunded, step.whole)
                        } else {
                            (OrderState::PartlyRefunded, step.part)
                        })
                    })
                }
            };
            match taken {
                None => prop_assert_eq!(format!("{order:?}"), was, "what is refused changes nothing"),
                Some(OrderStep { from, name, to }) => {
                    prop_assert_eq!((from, to), (before, order.status()));
                    prop_assert!(rows.contains(&(from.name(), name, to.name())));
                    prop_assert!(!was_final || name == "late money" || name.starts_with("refund"));
                    let pays_at_once = name == "pay" || name == "ask the gateway";
                    prop_assert!(!pays_at_once || at(second) < ends, "money is taken or asked for in time");
                    prop_assert!(name != "expire" || at(second) >= ends, "no hold ends before its time");
                    prop_assert!(name != "its turn" || second < 10, "nobody is served who has given up");
                    prop_assert!(name != "wait in vain" || second >= 10, "nobody gives up early");
                }
            }
        }
    }
}
