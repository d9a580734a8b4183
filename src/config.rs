//! Configuration: command-line options, each with an environment variable, shared by both programs.

use chrono_tz::Tz;
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

use crate::domain::limits::Limits;
use crate::peers::network::Networks;
use crate::serving::{Room, descriptors};

/// The database.
#[derive(Args, Clone)]
pub struct DatabaseConfig {
    /// PostgreSQL, such as `postgres://user:password@host/holdfast?sslmode=verify-full&sslrootcert=/etc/ca.pem`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Connections this process opens at most
    #[arg(long, env = "HOLDFAST_DATABASE_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(4..))]
    pub max_connections: u32,
}

/// How many may come in at once.
#[derive(Args, Clone, Debug)]
pub struct DoorConfig {
    /// Connections the API serves at once; fewer if the system lets the process open fewer files
    #[arg(long, env = "HOLDFAST_HTTP_CONNECTIONS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub http_connections: u32,
    /// Percent of these that one address may have; 100 behind a proxy that is not named
    #[arg(long, env = "HOLDFAST_HTTP_ADDRESS_SHARE_PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub http_address_share_percent: u32,
    /// Proxies before the API, as addresses or networks, comma-separated: their own address has no share, and they say in
    /// X-Forwarded-For for whom they ask
    #[arg(long, env = "HOLDFAST_TRUSTED_PROXIES", default_value = "", hide_default_value = true)]
    pub trusted_proxies: Networks,
    /// Streams of events the API has open at once; at most two fifths of the connections of one address
    #[arg(long, env = "HOLDFAST_STREAMS", default_value_t = STAYS.streams.in_all, value_parser = at_least_one())]
    pub streams: usize,
    /// Streams of one customer, or of one operator's token
    #[arg(long, env = "HOLDFAST_STREAMS_PER_CUSTOMER", default_value_t = STAYS.streams.of_customer, value_parser = at_least_one())]
    pub streams_per_customer: usize,
    /// Callers who may wait for an outcome (`Prefer: wait`) at once; likewise
    #[arg(long, env = "HOLDFAST_WAITS", default_value_t = STAYS.waits.in_all, value_parser = at_least_one())]
    pub waits: usize,
    /// Callers of one customer, or with one operator's token, who may wait at once
    #[arg(long, env = "HOLDFAST_WAITS_PER_CUSTOMER", default_value_t = STAYS.waits.of_customer, value_parser = at_least_one())]
    pub waits_per_customer: usize,
    /// Percent of the streams, and of those who wait, that one token may have, whomever it names; 100 where there is one shop
    #[arg(long, env = "HOLDFAST_TOKEN_SHARE_PERCENT", default_value_t = TOKEN_SHARE_PERCENT, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100))]
    pub token_share_percent: usize,
    /// How long a token, or the session of a stream, is taken without asking again; revoking one takes this long
    #[arg(long, env = "HOLDFAST_TOKEN_REMEMBERED_SECONDS", default_value_t = DEFAULT_TOKEN_REMEMBERED_SECONDS, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub token_remembered_seconds: u32,
}

/// A number of places: at least one.
fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// See [`DoorConfig::token_remembered_seconds`].
pub const DEFAULT_TOKEN_REMEMBERED_SECONDS: u32 = 60;

impl DoorConfig {
    /// Room for connections beside so many to the database.
    pub fn room(&self, database_connections: u32) -> Room {
        let fit = descriptors::connections_that_fit(database_connections);
        let connections = fit.min(self.http_connections as usize);
        let per_address = (connections * self.http_address_share_percent as usize / 100).max(1);
        Room { connections, per_address, proxies: self.trusted_proxies.0.clone() }
    }

    /// Room for those who stay: never so many that nobody else finds a place, even if all come from one address.
    pub fn room_to_stay(&self, room: &Room) -> StayRoom {
        let most = (room.per_address * 2 / 5).max(1);
        let share = self.token_share_percent;
        StayRoom {
            streams: StayPlaces::new(self.streams.min(most), self.streams_per_customer, share),
            waits: StayPlaces::new(self.waits.min(most), self.waits_per_customer, share),
        }
    }
}

/// How often one caller may ask.
#[derive(Args, Clone, Copy, Debug)]
pub struct RateConfig {
    /// Commands a second of one customer, ten seconds of them at once; 0: no bound
    #[arg(long, env = "HOLDFAST_COMMANDS_PER_SECOND_PER_CUSTOMER", default_value_t = Self::default().commands_per_second_per_customer)]
    pub commands_per_second_per_customer: u32,
    /// Commands a second of one token, whomever it names, ten seconds of them at once; 0: no bound
    #[arg(long, env = "HOLDFAST_COMMANDS_PER_SECOND_PER_TOKEN", default_value_t = Self::default().commands_per_second_per_token)]
    pub commands_per_second_per_token: u32,
    /// Orders of one customer a minute that are refused before no more are taken; 0: no bound
    #[arg(long, env = "HOLDFAST_REFUSALS_PER_MINUTE_PER_CUSTOMER", default_value_t = Self::default().refusals_per_minute_per_customer)]
    pub refusals_per_minute_per_customer: u32,
    /// Tokens, sessions and sign-ins a minute of one address that are looked up in vain; 0: no bound
    #[arg(long, env = "HOLDFAST_FAILED_AUTHENTICATIONS_PER_MINUTE_PER_ADDRESS", default_value_t = Self::default().failed_authentications_per_minute_per_address)]
    pub failed_authentications_per_minute_per_address: u32,
    /// Calls a minute of guests of one address, of which a tenth may begin a cart; 0: no bound
    #[arg(long, env = "HOLDFAST_GUEST_CALLS_PER_MINUTE_PER_ADDRESS", default_value_t = Self::default().guest_calls_per_minute_per_address)]
    pub guest_calls_per_minute_per_address: u32,
    /// Links to sign in that are mailed a minute in all, half of them for one address; 0: no bound
    #[arg(long, env = "HOLDFAST_SIGN_IN_LINKS_PER_MINUTE", default_value_t = Self::default().sign_in_links_per_minute)]
    pub sign_in_links_per_minute: u32,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            commands_per_second_per_customer: 50,
            commands_per_second_per_token: 50_000,
            refusals_per_minute_per_customer: 300,
            failed_authentications_per_minute_per_address: 60,
            guest_calls_per_minute_per_address: 600,
            sign_in_links_per_minute: 120,
        }
    }
}

/// How many may stay, to follow an order or to wait for an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StayRoom {
    /// Streams of events.
    pub streams: StayPlaces,
    pub waits: StayPlaces,
}

/// Places for one kind of those who stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StayPlaces {
    pub in_all: usize,
    /// For one customer, or one operator.
    pub of_customer: usize,
    /// For one token, whomever it names.
    pub of_token: usize,
}

impl StayPlaces {
    const fn new(in_all: usize, of_customer: usize, token_share_percent: usize) -> Self {
        let of_token = in_all * token_share_percent / 100;
        Self { in_all, of_customer, of_token: if of_token == 0 { 1 } else { of_token } }
    }
}

/// See [`DoorConfig::token_share_percent`].
const TOKEN_SHARE_PERCENT: usize = 50;

/// Together less than one address may have of the connections.
const STAYS: StayRoom = StayRoom {
    streams: StayPlaces::new(2_000, 20, TOKEN_SHARE_PERCENT),
    waits: StayPlaces::new(2_000, 50, TOKEN_SHARE_PERCENT),
};

impl Default for StayRoom {
    fn default() -> Self {
        STAYS
    }
}

/// What one customer may hold.
#[derive(Args, Clone, Copy)]
pub struct LimitConfig {
    /// Live holds of one customer
    #[arg(long, env = "HOLDFAST_MAX_LIVE_HOLDS", default_value_t = Limits::default().max_live_holds)]
    pub max_live_holds: u32,
    /// Units of one SKU in the live holds of one customer, where the SKU sets no limit of its own
    #[arg(long, env = "HOLDFAST_MAX_UNITS_PER_SKU", default_value_t = Limits::default().max_units_per_sku)]
    pub max_units_per_sku: u32,
}

impl LimitConfig {
    /// As the domain takes it.
    pub fn limits(self) -> Limits {
        Limits { max_live_holds: self.max_live_holds, max_units_per_sku: self.max_units_per_sku }
    }
}

/// What customers may give back by themselves.
#[derive(Args, Clone, Copy)]
pub struct ReturnConfig {
    /// Days after a payment within which its customer may ask for the money back, and gives the units back; 0: only shops do
    #[arg(long, env = "HOLDFAST_RETURN_DAYS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=3650))]
    pub return_days: u16,
}

/// How days are counted.
#[derive(Args, Clone, Copy)]
pub struct TimeZoneConfig {
    /// Where days begin and end for sales figures, and what mails tell times in; the same for all processes
    #[arg(long, env = "HOLDFAST_TIME_ZONE", default_value_t = DEFAULT_TIME_ZONE)]
    pub time_zone: Tz,
}

/// See [`TimeZoneConfig`].
pub const DEFAULT_TIME_ZONE: Tz = Tz::Asia__Seoul;

/// What may be done to dead letters.
#[derive(Args, Clone, Copy)]
pub struct DeadLetterConfig {
    /// Let operators send changed copies of dead letters; the same for all processes
    #[arg(long, env = "HOLDFAST_EDIT_DEAD_LETTERS")]
    pub edit_dead_letters: bool,
}

/// How logs look; `RUST_LOG` says how much.
#[derive(Args, Clone, Copy)]
pub struct LogConfig {
    /// Text for people or JSON lines for machines, on standard error
    #[arg(long, env = "HOLDFAST_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

impl LogConfig {
    /// Whether logs are JSON lines.
    pub fn json(self) -> bool {
        self.log_format == LogFormat::Json
    }
}

/// See [`LogConfig`].
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line each.
    Text,
    /// One JSON object each.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        door: DoorConfig,
    }

    #[test]
    fn those_who_stay_leave_places_to_others_even_at_one_address() {
        let door = |arguments: &[&str]| Program::parse_from([&["program"], arguments].concat()).door;
        let room = |connections, per_address| Room { connections, per_address, proxies: vec![] };
        assert_eq!(door(&[]).room_to_stay(&room(10_000, 5_000)), StayRoom::default());
        let few = door(&[]).room_to_stay(&room(1_000, 500));
        assert_eq!((few.streams.in_all, few.waits.in_all, few.waits.of_token), (200, 200, 100));
        let one = door(&["--token-share-percent", "100"]).room_to_stay(&room(1, 1));
        assert_eq!((one.streams.in_all, one.streams.of_token), (1, 1));
    }
}
