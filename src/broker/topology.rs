//! Everything that is declared on the broker, from one place. `rabbitmq/definitions.json` says the same.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use serde_json::{Value, json};

use super::BrokerError;
use super::connection::{Connector, within};

use super::delay::Rung;
use crate::message::Queue;

/// The end of the name of each queue of dead letters.
pub(super) const DEAD_SUFFIX: &str = ".dead";

/// Where commands of other programs enter, and where delayed ones come back; the routing key is the queue's name.
pub const COMMANDS: &str = "commands";
/// The default exchange, whose routing keys are the names of the queues. What knows its queue goes this way: matching
/// topics costs the broker a sixth of all it does for a hold.
pub const STRAIGHT_TO_QUEUE: &str = "";
pub const EVENTS: &str = "events";
/// Where dead letters pass on their way to the table.
pub const DEAD: &str = "dead";
/// Takes what `commands` and `dead` cannot route: one unroutable message would wedge a delay rung for everyone, or keep
/// the broker from setting others of its queue aside.
const UNROUTABLE: &str = "unroutable";
/// The queue behind it.
pub const UNROUTABLE_DEAD: &str = "unroutable.dead";

/// How many messages a command queue takes before publishers are refused.
pub const DEFAULT_MAX_LENGTH: u32 = 1_000_000;
/// How often a message may take a worker down with it before it becomes a dead letter.
const DELIVERY_LIMIT: u32 = 20;
/// How often a dead letter may take its collector down before it is parked. Only a message that the client library
/// cannot parse does that; the collector waits out every outage with the letters in hand.
const DEAD_DELIVERY_LIMIT: u32 = 100;
/// Where such messages are parked: nobody reads them, nothing is lost, and the queue's depth shows.
pub const UNREADABLE: &str = "unreadable";
const DECLARE_TIMEOUT: Duration = Duration::from_secs(30);

/// The exchanges, queues and bindings.
#[derive(Debug, Clone)]
pub struct Topology {
    exchanges: Vec<Exchange>,
    queues: Vec<QueueSpec>,
    bindings: Vec<Binding>,
}

#[derive(Debug, Clone)]
struct Exchange {
    name: String,
    kind: ExchangeKind,
    alternate: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct QueueSpec {
    name: String,
    arguments: Vec<(&'static str, Argument)>,
}

#[derive(Debug, Clone)]
struct Binding {
    exchange: String,
    queue: String,
    routing_key: String,
}

#[derive(Debug, Clone)]
enum Argument {
    Text(&'static str),
    Number(u64),
}

/// The queue in which the dead letters of `queue` wait to be collected.
pub fn dead_queue(queue: Queue) -> String {
    format!("{queue}{DEAD_SUFFIX}")
}

/// Every queue of dead letters.
pub fn dead_queues() -> Vec<String> {
    Queue::ALL.into_iter().map(dead_queue).chain([UNROUTABLE_DEAD.to_owned()]).collect()
}

impl Topology {
    /// The topology whose command queues take `max_length` messages each.
    pub fn new(max_length: u32) -> Self {
        let mut topology = Self { exchanges: vec![], queues: vec![], bindings: vec![] };
        topology.exchange(COMMANDS, ExchangeKind::Topic, Some(UNROUTABLE));
        topology.exchange(EVENTS, ExchangeKind::Topic, None);
        topology.exchange(DEAD, ExchangeKind::Direct, Some(UNROUTABLE));
        topology.exchange(UNROUTABLE, ExchangeKind::Fanout, None);
        topology.exchange(UNREADABLE, ExchangeKind::Fanout, None);

        for queue in Queue::ALL {
            topology.queue(queue.name(), command_arguments(max_length));
            topology.bind(COMMANDS, queue.name(), queue.name());
            topology.queue(&dead_queue(queue), dead_arguments());
            topology.bind(DEAD, &dead_queue(queue), queue.name());
        }
        topology.queue(UNROUTABLE_DEAD, dead_arguments());
        topology.bind(UNROUTABLE, UNROUTABLE_DEAD, "");
        topology.queue(UNREADABLE, vec![("x-queue-type", Argument::Text("quorum"))]);
        topology.bind(UNREADABLE, UNREADABLE, "");

        for rung in Rung::all() {
            topology.exchange(&rung.name(), ExchangeKind::Fanout, None);
            topology.queue(&rung.name(), delay_arguments(rung));
            topology.bind(&rung.name(), &rung.name(), "");
        }
        topology
    }

    /// Declares everything; what is there already and the same is left as it is. The exchange of dead letters that the
    /// version before declared routes only names of queues, and is replaced: what the broker cannot set aside meanwhile
    /// it keeps, and tries again.
    pub async fn declare(&self, connector: &Connector) -> Result<(), BrokerError> {
        match self.declare_on(&connector.channel().await?).await {
            Err(error) if is_declared_otherwise(&error, DEAD) => {
                // The broker has closed the channel to say so.
                let channel = connector.channel().await?;
                let options = ExchangeDeleteOptions::default();
                within(DECLARE_TIMEOUT, channel.exchange_delete(DEAD.into(), options)).await?;
                self.declare_on(&channel).await
            }
            declared => declared,
        }
    }

    async fn declare_on(&self, channel: &Channel) -> Result<(), BrokerError> {
        for exchange in &self.exchanges {
            let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let mut arguments = FieldTable::default();
            if let Some(alternate) = exchange.alternate {
                arguments.insert("alternate-exchange".into(), AMQPValue::LongString(alternate.into()));
            }
            let name = exchange.name.as_str().into();
            within(
                DECLARE_TIMEOUT,
                channel.exchange_declare(name, exchange.kind.clone(), options, arguments),
            )
            .await?;
        }
        for queue in &self.queues {
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let name = queue.name.as_str().into();
            within(DECLARE_TIMEOUT, channel.queue_declare(name, options, queue.table())).await?;
        }
        for binding in &self.bindings {
            let bound = channel.queue_bind(
                binding.queue.as_str().into(),
                binding.exchange.as_str().into(),
                binding.routing_key.as_str().into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            within(DECLARE_TIMEOUT, bound).await?;
        }
        Ok(())
    }

    /// The same as RabbitMQ's own definitions file, for `rabbitmqctl import_definitions`.
    pub fn definitions(&self) -> Value {
        let exchanges: Vec<Value> = self
            .exchanges
            .iter()
            .map(|exchange| {
                let arguments =
                    exchange.alternate.map_or(json!({}), |name| json!({"alternate-exchange": name}));
                json!({
                    "name": exchange.name, "vhost": "/", "type": kind_name(&exchange.kind), "durable": true,
                    "auto_delete": false, "internal": false, "arguments": arguments,
                })
            })
            .collect();
        let queues: Vec<Value> = self
            .queues
            .iter()
            .map(|queue| {
                let arguments: serde_json::Map<String, Value> =
                    queue.arguments.iter().map(|(name, value)| ((*name).to_owned(), value.json())).collect();
                json!({
                    "name": queue.name, "vhost": "/", "durable": true, "auto_delete": false,
                    "arguments": arguments,
                })
            })
            .collect();
        let bindings: Vec<Value> = self
            .bindings
            .iter()
            .map(|binding| {
                json!({
                    "source": binding.exchange, "vhost": "/", "destination": binding.queue,
                    "destination_type": "queue", "routing_key": binding.routing_key, "arguments": {},
                })
            })
            .collect();
        json!({"exchanges": exchanges, "queues": queues, "bindings": bindings})
    }

    fn exchange(&mut self, name: &str, kind: ExchangeKind, alternate: Option<&'static str>) {
        self.exchanges.push(Exchange { name: name.to_owned(), kind, alternate });
    }

    fn queue(&mut self, name: &str, arguments: Vec<(&'static str, Argument)>) {
        self.queues.push(QueueSpec { name: name.to_owned(), arguments });
    }

    fn bind(&mut self, exchange: &str, queue: &str, routing_key: &str) {
        self.bindings.push(Binding {
            exchange: exchange.to_owned(),
            queue: queue.to_owned(),
            routing_key: routing_key.to_owned(),
        });
    }
}

impl QueueSpec {
    fn table(&self) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in &self.arguments {
            table.insert((*name).into(), value.amqp());
        }
        table
    }
}

impl Argument {
    fn amqp(&self) -> AMQPValue {
        match self {
            Self::Text(text) => AMQPValue::LongString((*text).into()),
            Self::Number(number) => {
                AMQPValue::LongLongInt(i64::try_from(*number).expect("limits and times are far below 2^63"))
            }
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
        }
    }
}

/// Whether an exchange is there with other arguments.
fn is_declared_otherwise(error: &BrokerError, exchange: &str) -> bool {
    const PRECONDITION_FAILED: u16 = 406;
    let BrokerError::Protocol(error) = error else { return false };
    let lapin::ErrorKind::ProtocolError(said) = error.kind() else { return false };
    said.get_id() == PRECONDITION_FAILED
        && said.get_message().as_str().contains(&format!("exchange '{exchange}'"))
}

fn kind_name(kind: &ExchangeKind) -> &str {
    match kind {
        ExchangeKind::Custom(name) => name,
        ExchangeKind::Direct => "direct",
        ExchangeKind::Fanout => "fanout",
        ExchangeKind::Headers => "headers",
        ExchangeKind::Topic => "topic",
    }
}

/// At-least-once dead-lettering needs `reject-publish`; otherwise the broker falls back to losing messages.
fn command_arguments(max_length: u32) -> Vec<(&'static str, Argument)> {
    vec![
        ("x-queue-type", Argument::Text("quorum")),
        ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT.into())),
        ("x-dead-letter-exchange", Argument::Text(DEAD)),
        ("x-dead-letter-strategy", Argument::Text("at-least-once")),
        ("x-overflow", Argument::Text("reject-publish")),
        ("x-max-length", Argument::Number(max_length.into())),
    ]
}

fn dead_arguments() -> Vec<(&'static str, Argument)> {
    vec![
        ("x-queue-type", Argument::Text("quorum")),
        ("x-delivery-limit", Argument::Number(DEAD_DELIVERY_LIMIT.into())),
        ("x-dead-letter-exchange", Argument::Text(UNREADABLE)),
        ("x-dead-letter-strategy", Argument::Text("at-least-once")),
        ("x-overflow", Argument::Text("reject-publish")),
    ]
}

fn delay_arguments(rung: Rung) -> Vec<(&'static str, Argument)> {
    vec![
        ("x-queue-type", Argument::Text("quorum")),
        ("x-message-ttl", Argument::Number(rung.milliseconds())),
        ("x-dead-letter-exchange", Argument::Text(COMMANDS)),
        ("x-dead-letter-strategy", Argument::Text("at-least-once")),
        ("x-overflow", Argument::Text("reject-publish")),
    ]
}
