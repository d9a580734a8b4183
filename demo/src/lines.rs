//! A line: somebody waits for what another one has, and gets it before anybody new.

use anyhow::ensure;
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::{Shop, id, say};

/// Grace has the only print, Heidi waits for it, Ivan is refused, and Heidi gets it the moment Grace calls off.
pub(crate) async fn a_line_moves(shop: &Shop) -> anyhow::Result<()> {
    let sku = format!("print-{}", shop.run);
    let print = json!({"name": "Signed print", "price_won": 30_000, "on_hand": 1});
    let (status, _) = shop.call("shop", Method::PUT, &format!("/v1/skus/{sku}"), print).await?;
    ensure!(status == 201, "the SKU was not created: {status}");
    let (status, grace) = shop.order("grace", &sku, 1_200).await?;
    ensure!(status == 201, "grace's order is not held: {status} {grace}");

    let waits = json!({"items": [{"sku": sku, "quantity": 1}], "on_shortage": "wait"});
    let (status, heidi) = shop.post("heidi", "/v1/orders", waits).await?;
    ensure!(status == 202 && heidi["status"] == "waiting", "heidi does not wait: {status} {heidi}");
    let place = shop.get("heidi", &format!("/v1/orders/{}/place", id(&heidi)?)).await?;
    ensure!(place["places"][0]["before"] == 0, "heidi's place is {place}");
    let (status, ivan) = shop.order("ivan", &sku, 1_200).await?;
    ensure!(status == 409, "ivan overtook heidi: {status} {ivan}");

    let cancel = format!("/v1/orders/{}/cancel", id(&grace)?);
    let (status, cancelled) = shop.post("grace", &cancel, json!({})).await?;
    ensure!(status == 200, "grace's order is not cancelled: {status} {cancelled}");
    let heidi: Value = shop.status("heidi", id(&heidi)?).await?;
    ensure!(heidi["status"] == "held", "heidi was not served: {heidi}");
    say(14, "heidi waits in line for grace's print and has it the moment grace calls off; ivan is refused");
    Ok(())
}
