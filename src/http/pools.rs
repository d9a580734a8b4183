//! The API's connections to the database, divided: what is slow or asked for by a few keeps no connection from the others.

use sqlx::PgPool;

use crate::config::DatabaseConfig;
use crate::store;

/// Three pools, none of which lends to another.
#[derive(Clone)]
pub struct Pools {
    /// Orders, payments, wallets, and whether the process is ready.
    pub buyers: PgPool,
    /// Lists, the catalogue and streams of events.
    pub reads: PgPool,
    /// The console and all that operators call, exports among it.
    pub operators: PgPool,
}

/// How many connections each pool opens at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shares {
    buyers: u32,
    reads: u32,
    operators: u32,
}

impl Shares {
    /// A quarter for reads, a fifth for operators, the rest for buyers; at least one each.
    fn of(connections: u32) -> Self {
        let (reads, operators) = ((connections / 4).max(1), (connections / 5).max(1));
        Self { buyers: connections.saturating_sub(reads + operators).max(1), reads, operators }
    }
}

impl Pools {
    /// Divides the connections that one process may open.
    pub fn open(database: &DatabaseConfig) -> Result<Self, sqlx::Error> {
        let Shares { buyers, reads, operators } = Shares::of(database.max_connections);
        let open = |name, connections| store::pool(&database.database_url, name, connections);
        Ok(Self {
            buyers: open("holdfast-api", buyers)?,
            reads: open("holdfast-api reads", reads)?,
            operators: open("holdfast-api operators", operators)?,
        })
    }

    pub fn all(&self) -> Vec<PgPool> {
        vec![self.buyers.clone(), self.reads.clone(), self.operators.clone()]
    }
}

/// One pool for everything, where nobody has to be kept from anybody.
impl From<PgPool> for Pools {
    fn from(pool: PgPool) -> Self {
        Self { buyers: pool.clone(), reads: pool.clone(), operators: pool }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_connections_are_shared_out_and_most_are_the_buyers() {
        assert_eq!(Shares::of(4), Shares { buyers: 2, reads: 1, operators: 1 });
        assert_eq!(Shares::of(16), Shares { buyers: 9, reads: 4, operators: 3 });
        for connections in 4..=1_000 {
            let Shares { buyers, reads, operators } = Shares::of(connections);
            assert_eq!(buyers + reads + operators, connections);
            assert!(buyers > reads && reads >= operators && operators >= 1);
        }
    }
}
