//! The three faces of what operators do: API, pages and command line.

use holdfast::store::operators::tokens::Role;
use reqwest::Method;
use serde_json::Value;

use crate::support::client::{Answer, Client};
use crate::support::processes;
use crate::support::world::World;

/// An API of this world, as an operator calls it.
pub(crate) async fn operator(world: &World) -> Client {
    somebody(world, Role::Operator).await
}

/// An API of this world, as somebody of this role calls it.
pub(crate) async fn somebody(world: &World, role: Role) -> Client {
    let shop = world.start_api().await;
    Client::new(&shop.base, &world.token(role, None).await)
}

/// A POST of JSON.
pub(crate) async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.send(client.request(Method::POST, path).json(body)).await
}

/// What a run of `holdfast` at an operator's desk came to: its exit code and what it printed.
pub(crate) async fn holdfast(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    holdfast_as(world.desk().await, arguments).await
}

/// The same at the desk of this caller.
pub(crate) async fn holdfast_as(caller: &Client, arguments: &[&str]) -> (Option<i32>, String) {
    let output = processes::holdfast(caller, arguments).await;
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}
