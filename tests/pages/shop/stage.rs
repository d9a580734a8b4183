//! A shop with a front and a gateway's window, open for buyers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast::effects::settings::MailSettings;
use holdfast::gateway::port::Gateway;
use holdfast::gateway::toss::{Toss, TossSettings};
use holdfast::http::jwt_keys::HandOverSettings;
use holdfast::http::sign_ins::{SignInSettings, SignIns};
use holdfast::peers::webhook::WebhookSecrets;
use holdfast::shop::settings::{ShopSettings, Site};
use holdfast::store::operators::tokens::Role;
use holdfast_simulator::{Settings, Simulator};
use holdfast_workers::pools::Pool;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::support::client::Client;
use crate::support::mailbox::Mailbox;
use crate::support::world::World;

const PHONE: (u32, u32) = (390, 844);

pub(super) struct Stage {
    pub(super) world: World,
    pub(super) shop: Client,
    pub(super) mails: Mailbox,
    _simulator: Simulator,
}

impl Stage {
    /// With everybody at work, and ten mugs.
    pub(super) async fn open() -> Self {
        Self::without(&[]).await
    }

    /// Nobody works these pools.
    pub(super) async fn without(pools: &[Pool]) -> Self {
        let stage = Self::opened(pools).await;
        stage.product("mug", "Blue mug", 12_000, 10, json!({})).await;
        stage
    }

    /// With nothing to sell.
    pub(super) async fn open_empty() -> Self {
        Self::opened(&[]).await
    }

    async fn opened(pools: &[Pool]) -> Self {
        let settings = Settings::default();
        let secret_key = settings.secret_key.clone();
        let simulator = Simulator::start(settings).await.unwrap();
        let toss = Toss::new(&TossSettings {
            url: simulator.url(),
            secret_key: secret_key.parse().unwrap(),
            timeout: Duration::from_secs(5),
            webhook_secrets: WebhookSecrets::parse(&[]).unwrap(),
        });
        let gateway: Arc<dyn Gateway> = Arc::new(toss.unwrap());
        let mut world = World::idle().await;
        world.gateway = Some(gateway);
        world.shop = Some(ShopSettings {
            shop_url: None,
            shop_name: "Corner shop".to_owned(),
            shop_pictures: Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("demo/shop/pictures")),
            toss_client_key: None,
            payment_window_url: Some(Site::parse_page(&format!("{}/checkout", simulator.url())).unwrap()),
        });
        let mails = Mailbox::new();
        world.sign_ins = sign_ins(&mails);
        world.return_days = 7;
        Pool::all().filter(|pool| !pools.contains(pool)).for_each(|pool| world.start_workers(pool));
        let shop = world.start_api().await;
        Self { world, shop, mails, _simulator: simulator }
    }

    /// A product with one SKU of the same code.
    pub(super) async fn product(&self, code: &str, name: &str, price_won: i64, on_hand: i64, more: Value) {
        let sku = json!({"name": name, "price_won": price_won, "on_hand": on_hand});
        let made = self.shop.put(&format!("/v1/skus/{code}"), &sku).await;
        assert_eq!(made.status, 201, "{made:?}");
        let mut product = json!({
            "name": name, "description": "**Made** by hand.", "description_format": "markdown", "category": "kitchen",
            "image_urls": ["/shop/pictures/mug.svg"], "skus": [{"sku": code, "choices": []}],
        });
        for (member, value) in more.as_object().unwrap() {
            product[member] = value.clone();
        }
        let made = self.shop.put(&format!("/v1/products/{code}"), &product).await;
        assert_eq!(made.status, 201, "{made:?}");
    }

    /// A browser of somebody who is signed in as this customer.
    pub(super) async fn browser_of(&self, customer: &str) -> Browser {
        let browser = Browser::start(&self.shop.base).await;
        self.sign_in(&browser, customer).await;
        browser
    }

    /// What signing in leaves in a browser.
    pub(super) async fn sign_in(&self, browser: &Browser, customer: &str) {
        browser.open("/shop").await;
        browser.set_cookie("holdfast-buyer", &self.world.token(Role::Customer, Some(customer)).await).await;
    }

    pub(super) async fn finish(self) {
        self.world.finish().await;
    }
}

/// Links to sign in with go into this mailbox.
fn sign_ins(mails: &Mailbox) -> SignIns {
    let mail = MailSettings {
        mail_url: Some(mails.url().into()),
        mail_from: Some("Corner shop <shop@example.com>".to_owned()),
    };
    let sign_in_secret = Some("a secret of thirty-two characters and more".to_owned().into());
    let handed_over = HandOverSettings::default();
    SignInSettings { mail, sign_in_secret, handed_over }.open(Some("https://shop.example.com")).unwrap()
}

/// Makes the window as wide as a phone's.
pub(super) async fn hold_like_a_phone(browser: &Browser) {
    browser.client.set_window_size(PHONE.0, PHONE.1).await.unwrap();
}

/// The id of the order whose page is shown.
pub(super) async fn order_shown(browser: &Browser) -> String {
    let place = browser.place().await;
    let id = place.strip_prefix("/shop/orders/").unwrap_or_else(|| panic!("no order's page: {place}"));
    id.split(['?', '/']).next().unwrap().to_owned()
}
