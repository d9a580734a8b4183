//! Customers whom a shop hands over, by a JWT that it has signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast::effects::settings::MailSettings;
use holdfast::http::jwt_keys::HandOverSettings;
use holdfast::http::sign_ins::SignInSettings;
use holdfast::shop::settings::ShopSettings;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use reqwest::header::SET_COOKIE;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::browser::Browser;
use crate::support::cart::{Guest, items};
use crate::support::client::{Answer, Client};
use crate::support::world::World;

const SECRET: &str = "a secret of thirty-two characters and more";
/// A private key of EdDSA, but for its last 32 bytes.
const ED25519: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A world whose API takes what is signed by these.
async fn world_that_takes(handed_over: HandOverSettings) -> (World, Client) {
    let mut world = World::idle().await;
    let mail = MailSettings { mail_url: None, mail_from: None };
    world.sign_ins = SignInSettings { mail, sign_in_secret: None, handed_over }.open(None).unwrap();
    world.shop = Some(ShopSettings {
        shop_url: None,
        shop_name: "Corner shop".to_owned(),
        shop_pictures: None,
        toss_client_key: None,
        payment_window_url: None,
    });
    let shop = world.start_api().await;
    (world, shop)
}

async fn world_with_a_secret() -> (World, Client) {
    let jwt_secret = Some(SECRET.to_owned().into());
    world_that_takes(HandOverSettings { jwt_secret, jwt_keys: None }).await
}

/// Whom a shop hands over, with so many seconds left by the clock of the database; what is null is left out.
async fn claims(world: &World, customer: &str, seconds: i64, more: Value) -> Value {
    let now = world.count("SELECT extract(epoch FROM now())::bigint").await;
    let jti = Uuid::new_v4().to_string();
    let mut claims = json!({"aud": "holdfast", "sub": customer, "jti": jti, "exp": now + seconds});
    let claimed = claims.as_object_mut().unwrap();
    claimed.extend(more.as_object().unwrap().clone());
    claimed.retain(|_, value| !value.is_null());
    claims
}

fn signed(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    encode(header, claims, key).unwrap()
}

/// Signed as a shop does that has our secret.
fn by_secret(claims: &Value) -> String {
    signed(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes()).unwrap())
}

/// A header that names a key.
fn header(algorithm: Algorithm, key: Option<&str>) -> Header {
    Header { kid: key.map(str::to_owned), ..Header::new(algorithm) }
}

async fn post(shop: &Client, body: &Value) -> Answer {
    shop.send(reqwest::Client::new().post(format!("{}/v1/sessions", shop.base)).json(body)).await
}

async fn show(shop: &Client, jwt: &str) -> Answer {
    post(shop, &json!({"jwt": jwt})).await
}

async fn refused(shop: &Client, jwt: &str, why: &str) {
    let answer = show(shop, jwt).await;
    assert_eq!((answer.status, answer.problem()), (401, "sign-in-invalid"), "{why}: {answer:?}");
}

/// The customer who has signed in.
fn signed_in(shop: &Client, session: &Answer, customer: &str) -> Client {
    assert_eq!((session.status, session.text("customer_id")), (201, customer), "{session:?}");
    shop.as_customer(customer).with_token(session.text("token"))
}

#[tokio::test]
async fn a_shop_hands_its_customers_over_each_once_and_each_for_what_is_theirs() {
    let (world, shop) = world_with_a_secret().await;
    shop.stock("mug", 10).await;
    let guest = Guest::new(&shop).await;
    guest.put_in("mug", 2).await;
    // A customer of the shop, before they come by themselves.
    shop.put_in("mug", 1).await;
    let more =
        json!({"aud": ["our-own", "holdfast"], "email": "alice@example.com", "next": "/shop/cart?a=1"});
    let said = claims(&world, "alice", 600, more).await;
    let jwt = by_secret(&said);
    let session = show(&shop, &jwt).await;
    assert_eq!(session.text("next"), "/shop/cart?a=1");
    assert_eq!(session.headers["cache-control"], "no-store");
    let alice = signed_in(&shop, &session, "alice");
    assert_eq!(alice.get("/v1/customer").await.text("email"), "alice@example.com");
    assert_eq!(alice.cart().await, items(&[("mug", 1)]));
    assert_eq!(guest.merge_into(&alice).await.status, 200);
    assert_eq!((alice.cart().await, guest.cart().await), (items(&[("mug", 3)]), vec![]));

    refused(&shop, &jwt, "used before").await;
    let longer = claims(&world, "bob", 300, json!({"jti": said["jti"]})).await;
    refused(&shop, &by_secret(&longer), "another of the same name").await;
    let twice = by_secret(&claims(&world, "bob", 60, json!({"email": "bob@example.com"})).await);
    let both = futures_util::join!(show(&shop, &twice), show(&shop, &twice));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401]);
    let bob = signed_in(&shop, if both.0.status == 201 { &both.0 } else { &both.1 }, "bob");
    assert_eq!(bob.cart().await, []);
    assert_eq!(bob.as_customer("alice").get("/v1/wallet").await.status, 403);
    assert_eq!(bob.get("/v1/ops/actions").await.status, 403);
    // What a customer has written themselves stays.
    bob.put("/v1/customer", &json!({"email": "own@example.com"})).await;
    let again = claims(&world, "bob", 60, json!({"email": "bob@example.com"})).await;
    let bob = signed_in(&shop, &show(&shop, &by_secret(&again)).await, "bob");
    assert_eq!(bob.get("/v1/customer").await.text("email"), "own@example.com");

    for body in
        [json!({}), json!({"link": "a", "jwt": "b"}), json!({"jwt": 7}), json!({"jwt": "a", "more": 1})]
    {
        assert_eq!(post(&shop, &body).await.status, 422, "{body}");
    }
    assert_eq!(post(&shop, &json!({"link": "a"})).await.status, 401);
    world.finish().await;
}

#[tokio::test]
async fn what_a_shop_has_not_signed_so_or_not_for_now_signs_nobody_in() {
    let (world, shop) = world_with_a_secret().await;
    for (seconds, more, why) in [
        (60, json!({"aud": "other"}), "for somebody else"),
        (60, json!({"aud": null}), "for nobody"),
        (60, json!({"exp": null}), "without an end"),
        (700, json!({}), "an end that is too far"),
        (-31, json!({}), "over"),
        (60, json!({"nbf": 4_000_000_000_i64}), "yet to begin"),
        (60, json!({"jti": null}), "without a name"),
        (60, json!({"jti": "a".repeat(201)}), "with a long name"),
        (60, json!({"sub": null}), "of nobody"),
        (60, json!({"sub": "no one"}), "of who cannot be one"),
        (60, json!({"email": "alice"}), "with an address that is none"),
        (60, json!({"next": "https://evil.example/shop"}), "leading elsewhere"),
        (60, json!({"more": "a".repeat(8_192)}), "too long"),
    ] {
        refused(&shop, &by_secret(&claims(&world, "alice", seconds, more).await), why).await;
    }
    let said = claims(&world, "alice", 60, json!({})).await;
    let good = by_secret(&said);
    let parts: Vec<&str> = good.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(claims(&world, "bob", 60, json!({})).await.to_string());
    let guessed = EncodingKey::from_secret(&[7; 32]).unwrap();
    refused(&shop, &signed(&Header::default(), &said, &guessed), "by another secret").await;
    refused(&shop, &format!("{}.{other}.{}", parts[0], parts[2]), "with other claims").await;
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    for unsigned in [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}."),
        "a.b.c".to_owned(),
        String::new(),
    ] {
        refused(&shop, &unsigned, &unsigned).await;
    }
    let sha_512 = Header::new(Algorithm::HS512);
    let ours = EncodingKey::from_secret(SECRET.as_bytes()).unwrap();
    refused(&shop, &signed(&sha_512, &said, &ours), "by another algorithm").await;
    assert_eq!(world.count("SELECT count(*) FROM customer_sessions").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM spent_sign_ins").await, 0);
    signed_in(&shop, &show(&shop, &good).await, "alice");
    world.finish().await;

    let (world, shop) = world_that_takes(HandOverSettings::default()).await;
    refused(&shop, &by_secret(&claims(&world, "alice", 60, json!({})).await), "not set up").await;
    world.finish().await;
}

#[tokio::test]
async fn public_keys_are_enough_and_each_is_good_for_its_own_algorithm() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let elliptic = EncodingKey::from_ec_der(&pair.serialize_der());
    let edwards = EncodingKey::from_ed_der(&[&ED25519[..], &[7; 32]].concat());
    let jwk = |key: &EncodingKey, algorithm, name: &str| {
        let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
        jwk.common.key_id = Some(name.to_owned());
        jwk
    };
    let public = [jwk(&elliptic, Algorithm::ES256, "new"), jwk(&edwards, Algorithm::EdDSA, "old")];
    let jwks = json!({"keys": public}).to_string();
    let file = std::env::temp_dir().join(format!("holdfast-{}.json", Uuid::new_v4()));
    std::fs::write(&file, &jwks).unwrap();
    let jwt_keys = Some(file.to_str().unwrap().to_owned());
    let (world, shop) = world_that_takes(HandOverSettings { jwt_secret: None, jwt_keys }).await;
    std::fs::remove_file(&file).unwrap();

    for (algorithm, name, key) in [(Algorithm::ES256, "new", &elliptic), (Algorithm::EdDSA, "old", &edwards)]
    {
        let said = claims(&world, name, 60, json!({})).await;
        let other = if name == "new" { "old" } else { "new" };
        for (unknown, why) in
            [(Some("unknown"), "no such key"), (None, "no name"), (Some(other), "the other's name")]
        {
            refused(&shop, &signed(&header(algorithm, unknown), &said, key), why).await;
        }
        // Everybody knows these: they are no secret to sign with.
        let pem = pair.public_key_pem();
        let known = [pair.public_key_raw(), pem.as_bytes(), jwks.as_bytes()];
        for secret in known {
            let key = EncodingKey::from_secret(secret).unwrap();
            refused(&shop, &signed(&header(Algorithm::HS256, Some(name)), &said, &key), "a public secret")
                .await;
        }
        let jwt = signed(&header(algorithm, Some(name)), &said, key);
        signed_in(&shop, &show(&shop, &jwt).await, name);
        refused(&shop, &jwt, "used before").await;
    }
    let forged = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let forged = EncodingKey::from_ec_der(&forged.serialize_der());
    let said = claims(&world, "alice", 60, json!({})).await;
    refused(&shop, &signed(&header(Algorithm::ES256, Some("new")), &said, &forged), "another's key").await;
    world.finish().await;
}

#[tokio::test]
async fn the_shops_page_signs_in_whom_another_site_sends_there() {
    let (world, shop) = world_with_a_secret().await;
    shop.stock("mug", 10).await;
    let guest = Guest::new(&shop).await;
    guest.put_in("mug", 2).await;
    let browser = Browser::at(&shop.base);
    let jwt = by_secret(&claims(&world, "alice", 60, json!({"next": "/shop/cart"})).await);
    let path = "/shop/sign-in/confirm";
    let page = browser.get(&format!("{path}?jwt={jwt}"), &[]).await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains(&format!("name=\"jwt\" value=\"{jwt}\"")), "{page}");
    assert_eq!(
        world.count("SELECT count(*) FROM customer_sessions").await,
        0,
        "before the button is pressed"
    );

    let answer = browser.submit(path, &[("jwt", &jwt)], &format!("holdfast-guest={}", guest.secret)).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], "/shop/cart");
    let cookies = answer.headers().get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    let token = cookies.filter_map(|cookie| cookie.strip_prefix("holdfast-buyer=")).next().unwrap();
    let alice = shop.as_customer("alice").with_token(token.split(';').next().unwrap());
    assert_eq!((alice.cart().await, guest.cart().await), (items(&[("mug", 2)]), vec![]));
    let again = browser.submit(path, &[("jwt", &jwt)], "").await;
    assert_eq!(again.status(), 401);
    world.finish().await;
}
