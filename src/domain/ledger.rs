//! Double entry: which accounts an amount moves between. The entries of one transaction and phase sum to zero.

use super::money::Won;
use super::payment::Parts;

/// Where money is. The customers' accounts never go below zero; the others say where money came from and went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// What a customer can spend.
    Wallet,
    /// What of it a payment has set aside and not taken yet.
    WalletReserved,
    /// Points a customer can spend, worth a won each.
    Points,
    /// Points that a payment has set aside.
    PointsReserved,
    /// Where charges of wallets come from that the shop vouches for.
    Funding,
    /// Where points come from.
    Promotions,
    /// Where the money of cards comes from.
    Gateway,
    Sales,
}

impl Account {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wallet => "wallet",
            Self::WalletReserved => "wallet_reserved",
            Self::Points => "points",
            Self::PointsReserved => "points_reserved",
            Self::Funding => "funding",
            Self::Promotions => "promotions",
            Self::Gateway => "gateway",
            Self::Sales => "sales",
        }
    }

    /// Whether every customer has one of their own.
    pub fn is_a_customers(self) -> bool {
        matches!(self, Self::Wallet | Self::WalletReserved | Self::Points | Self::PointsReserved)
    }
}

/// Which step of a transaction an entry belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Set aside, until it is posted or voided.
    Pending,
    Posted,
    /// What was set aside is back.
    Voided,
}

impl Phase {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Posted => "posted",
            Self::Voided => "voided",
        }
    }
}

/// What a customer can charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purse {
    Wallet,
    Points,
}

impl Purse {
    /// The account to spend from.
    pub fn account(self) -> Account {
        match self {
            Self::Wallet => Account::Wallet,
            Self::Points => Account::Points,
        }
    }

    /// The account of what is set aside of it.
    pub fn reserved(self) -> Account {
        match self {
            Self::Wallet => Account::WalletReserved,
            Self::Points => Account::PointsReserved,
        }
    }

    /// Where its charges come from.
    pub fn source(self) -> Account {
        match self {
            Self::Wallet => Account::Funding,
            Self::Points => Account::Promotions,
        }
    }

    /// The most a charge may fill it up to, what is set aside included. A refund is never refused for it: money that
    /// came from a purse goes back there.
    pub fn limit(self) -> Won {
        match self {
            Self::Wallet => Won(100_000),
            Self::Points => Won(10_000_000),
        }
    }
}

/// An amount that comes to an account, or leaves it if negative.
pub type LedgerEntry = (Account, Won);

/// Sets aside what a payment takes from purses.
pub fn reserve(parts: Parts) -> Vec<LedgerEntry> {
    vec![
        (Account::Wallet, Won(-parts.wallet.0)),
        (Account::WalletReserved, parts.wallet),
        (Account::Points, Won(-parts.points.0)),
        (Account::PointsReserved, parts.points),
    ]
}

/// Gives back what was set aside.
pub fn void(parts: Parts) -> Vec<LedgerEntry> {
    reserve(parts).into_iter().map(|(account, amount)| (account, Won(-amount.0))).collect()
}

/// Takes a payment whose purse parts were set aside before.
pub fn capture_reserved(parts: Parts) -> Vec<LedgerEntry> {
    capture_from(parts, Account::WalletReserved, Account::PointsReserved)
}

/// Takes a payment at once.
pub fn capture(parts: Parts) -> Vec<LedgerEntry> {
    capture_from(parts, Account::Wallet, Account::Points)
}

fn capture_from(parts: Parts, wallet: Account, points: Account) -> Vec<LedgerEntry> {
    vec![
        (wallet, Won(-parts.wallet.0)),
        (points, Won(-parts.points.0)),
        (Account::Gateway, Won(-parts.card.0)),
        (Account::Sales, Won(parts.wallet.0 + parts.points.0 + parts.card.0)),
    ]
}

/// Gives back what was taken.
pub fn refund(parts: Parts) -> Vec<LedgerEntry> {
    capture(parts).into_iter().map(|(account, amount)| (account, Won(-amount.0))).collect()
}

pub fn charge(purse: Purse, source: Account, amount: Won) -> Vec<LedgerEntry> {
    vec![(purse.account(), amount), (source, Won(-amount.0))]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn sums(entries: impl IntoIterator<Item = LedgerEntry>) -> BTreeMap<Account, i64> {
        let mut sums = BTreeMap::new();
        for (account, amount) in entries {
            *sums.entry(account).or_default() += amount.0;
        }
        sums.retain(|_, amount| *amount != 0);
        sums
    }

    proptest! {
        #[test]
        fn every_transaction_sums_to_zero_and_two_phases_come_to_the_same_as_one(
            wallet in 0i64..1_000, points in 0i64..1_000, card in 0i64..1_000,
        ) {
            let parts = Parts { wallet: Won(wallet), points: Won(points), card: Won(card) };
            for entries in [reserve(parts), void(parts), capture(parts), capture_reserved(parts), refund(parts)] {
                prop_assert_eq!(entries.iter().map(|(_, amount)| amount.0).sum::<i64>(), 0);
            }
            prop_assert!(sums([reserve(parts), void(parts)].concat()).is_empty());
            prop_assert!(sums([capture(parts), refund(parts)].concat()).is_empty());
            let two_phases = sums([reserve(parts), capture_reserved(parts)].concat());
            prop_assert_eq!(two_phases, sums(capture(parts)));
        }
    }
}
