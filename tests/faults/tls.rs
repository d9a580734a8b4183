//! TLS to both servers: what is right works from end to end, everything else is refused with its reason.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use holdfast::broker::topology::DEFAULT_MAX_LENGTH;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::proxy::address_of;
use crate::support::processes::{HOLDFAST, Process};
use crate::support::servers::{OwnServers, Servers};
use crate::support::world::World;

/// An authority of the test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn vouch_for(&self, names: &[&str], is_expired: bool) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if is_expired {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

const THIS_MACHINE: [&str; 2] = ["localhost", "127.0.0.1"];

/// Files that a program is told of.
struct Files {
    folder: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("holdfast-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a command of `holdfast` that needs one server, and returns whether it went well and what it said.
async fn holdfast(arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(&*HOLDFAST);
    command.args(arguments).env_remove("AMQP_URL").env_remove("DATABASE_URL");
    command.envs(environment.iter().copied());
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
}

async fn declare(environment: &[(&str, &str)]) -> (bool, String) {
    holdfast(&["topology", "declare"], environment).await
}

async fn ask_database(url: &str) -> (bool, String) {
    holdfast(&["token", "list"], &[("DATABASE_URL", url)]).await
}

fn assert_refused((went_well, said): (bool, String), reason: &str) {
    assert!(!went_well && said.contains(reason), "expected {reason:?}, but {went_well}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_servers_are_spoken_to_by_tls_with_certificates_of_both_sides() {
    let authority = Authority::new("the test's authority");
    let server = authority.vouch_for(&THIS_MACHINE, false);
    let client = authority.vouch_for(&["holdfast"], false);
    let files = Files::new("tls");
    let ca = files.write("ca.pem", &authority.pem());
    let (cert, key) =
        (files.write("client.pem", &client.certificate), files.write("client.key", &client.key));
    let served =
        [("ca.pem", authority.pem()), ("server.pem", server.certificate), ("server.key", server.key)];
    let (own, amqps_base) = tokio::task::block_in_place(|| OwnServers::with_tls("tls", &served));
    let mut world = World::on(own.servers(), DEFAULT_MAX_LENGTH).await;
    let plain_amqp = world.amqp_url.clone();
    world.amqp_url = format!("{amqps_base}{}", world.vhost);
    let plain_database = world.database_url.clone();
    // This one has to show a certificate.
    world.execute("CREATE ROLE guarded SUPERUSER LOGIN").await;
    let guarded = plain_database.replace("postgres@", "guarded@");
    let with = |parameters: &str| format!("{guarded}?{parameters}");
    let identity = format!("sslcert={cert}&sslkey={key}");
    world.database_url = with(&format!("sslmode=verify-full&sslrootcert={ca}&{identity}"));
    world.environment = [
        ("HOLDFAST_AMQP_CA_FILE", &ca),
        ("HOLDFAST_AMQP_CERT_FILE", &cert),
        ("HOLDFAST_AMQP_KEY_FILE", &key),
    ]
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .into();

    let (api, shop) = Process::api(&world).await;
    let worker = Process::worker(&world, "");
    shop.stock("mug", 10).await;
    assert_eq!(shop.place("mug", 1, 600).await.status, 201);
    for program in [&api, &worker] {
        program.until_logged("PostgreSQL: TLS, verified, loopback; RabbitMQ: TLS, verified, loopback").await;
    }
    drop((api, worker));

    // The same servers, asked otherwise.
    let amqps = world.amqp_url.as_str();
    // A server of TLS 1.3 asks for the certificate after the client is done, and may hang up before its reason is read.
    let (went_well, said) = declare(&[("AMQP_URL", amqps), ("HOLDFAST_AMQP_CA_FILE", &ca)]).await;
    let is_refused = said.contains("CertificateRequired") || said.contains("reset by peer");
    assert!(!went_well && is_refused, "a client without a certificate: {said}");
    assert_refused(declare(&[("AMQP_URL", amqps)]).await, "invalid peer certificate");
    let behind_plain = plain_amqp.replace("amqp://", "amqps://");
    let asked = declare(&[("AMQP_URL", &behind_plain), ("HOLDFAST_AMQP_CA_FILE", &ca)]).await;
    assert_refused(asked, "does not speak TLS");
    let asked = declare(&[("AMQP_URL", &plain_amqp), ("HOLDFAST_AMQP_CA_FILE", &ca)]).await;
    assert_refused(asked, "has to be amqps://");
    let asked = ask_database(&with(&format!("sslmode=verify-full&sslrootcert={ca}"))).await;
    assert_refused(asked, "client certificate");
    for mode in ["require", "verify-ca", "prefer"] {
        let (went_well, said) =
            ask_database(&with(&format!("sslmode={mode}&{identity}&sslrootcert={ca}"))).await;
        assert!(went_well, "{mode}: {said}");
    }
    world.database_url = plain_database;
    world.finish().await;
}

#[derive(Clone, Copy)]
enum Server {
    RabbitMq,
    PostgreSql,
}

/// Answers TLS handshakes with this identity, and nothing after them. Ends with the test.
async fn listen(server: Server, identity: &Identity) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Server::PostgreSql = server {
                let mut asked = [0; 8];
                stream.read_exact(&mut asked).await.unwrap();
                stream.write_all(b"S").await.unwrap();
            }
            let _ = acceptor.accept(stream).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_name_time_or_authority_is_refused_and_the_reason_named() {
    let authority = Authority::new("the test's authority");
    let files = Files::new("tls-refused");
    let ca = files.write("ca.pem", &authority.pem());
    let stranger = Authority::new("a stranger");
    let cases = [
        (authority.vouch_for(&["elsewhere.example.com"], false), "not valid for name"),
        (authority.vouch_for(&THIS_MACHINE, true), "certificate expired"),
        (stranger.vouch_for(&THIS_MACHINE, false), "UnknownIssuer"),
    ];
    for (identity, reason) in &cases {
        let port = listen(Server::RabbitMq, identity).await;
        let url = format!("amqps://somebody:hush@localhost:{port}/%2f");
        let asked = declare(&[("AMQP_URL", &url), ("HOLDFAST_AMQP_CA_FILE", &ca)]).await;
        assert!(!asked.1.contains("hush"), "{asked:?}");
        assert_refused(asked, reason);
        let port = listen(Server::PostgreSql, identity).await;
        let url = format!(
            "postgres://somebody:hush@localhost:{port}/holdfast?sslmode=verify-full&sslrootcert={ca}"
        );
        let asked = ask_database(&url).await;
        assert!(!asked.1.contains("hush"), "{asked:?}");
        assert_refused(asked, reason);
    }
    // Whoever names an authority wants it asked, whatever the mode is called.
    let port = listen(Server::PostgreSql, &cases[2].0).await;
    let url = format!("postgres://somebody@localhost:{port}/holdfast?sslmode=require&sslrootcert={ca}");
    assert_refused(ask_database(&url).await, "UnknownIssuer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for_and_named_where_it_is_not() {
    let world = World::idle().await;
    let shared = Servers::shared();
    let behind_plain = format!("amqps://guest:guest@{}/%2f", address_of(&shared.amqp_base));
    assert_refused(declare(&[("AMQP_URL", &behind_plain)]).await, "does not speak TLS");
    for mode in ["require", "verify-ca", "verify-full"] {
        let asked = ask_database(&format!("{}?sslmode={mode}", world.database_url)).await;
        assert_refused(asked, "does not support TLS");
    }
    let (api, _) = Process::api(&world).await;
    api.until_logged("PostgreSQL: plain text, loopback; RabbitMQ: plain text, loopback").await;
    assert!(!api.log().contains("use TLS"), "nobody listens on this machine: {}", api.log());
    world.finish().await;
}
