//! A real browser without a window: Chromium, driven over WebDriver.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use axum::http::Method;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::eventually;
use crate::support::processes::signal;

/// Keys as WebDriver writes them (W3C WebDriver, section 17.4.2).
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const TAB: &str = "\u{e004}";

/// A browser. Closed when dropped.
pub(crate) struct Browser {
    pub(crate) client: Client,
    base: String,
    driver: Child,
    profile: PathBuf,
}

impl Browser {
    /// A browser with a window of a desk's size, for the pages at `base`.
    pub(crate) async fn start(base: &str) -> Self {
        let profile = std::env::temp_dir().join(format!("holdfast-browser-{}", Uuid::now_v7()));
        let (driver, port) = start_driver();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let Value::Object(capabilities) = capabilities(&profile) else { unreachable!("an object") };
        builder.capabilities(capabilities);
        let address = format!("http://127.0.0.1:{port}");
        let client = builder.connect(&address).await.expect("chromedriver answers and finds Chromium");
        Self { client, base: base.to_owned(), driver, profile }
    }

    /// Signs in to the console, which leads to the first page.
    pub(crate) async fn sign_in(&self, token: &str) {
        self.open("/ops/sign-in?next=/ops/actions").await;
        self.fill("input[name=token]", token).await;
        self.click("form button").await;
        self.until_shown("Audit log").await;
    }

    /// Opens a page.
    pub(crate) async fn open(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.unwrap();
    }

    /// The path and query of the page that is shown.
    pub(crate) async fn place(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", url.path())
    }

    /// Types into a field.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.client.wait().for_element(Locator::Css(css)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Clicks on an element.
    pub(crate) async fn click(&self, css: &str) {
        let element = self.client.wait().for_element(Locator::Css(css)).await;
        element.unwrap_or_else(|error| panic!("no {css}: {error}")).click().await.unwrap();
    }

    /// Clicks on a link or button by what is written on it.
    pub(crate) async fn click_on(&self, words: &str) {
        let path = format!("//*[self::a or self::button][contains(normalize-space(.), '{words}')]");
        // One of the page before may still be there when it is looked for, and gone when it is clicked on.
        eventually(&format!("something to click on says {words:?}"), async || {
            self.client.find(Locator::XPath(&path)).await.ok()?.click().await.ok()
        })
        .await;
    }

    /// Presses keys, wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        self.client.active_element().await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Presses Tab until the focus is on what `css` names.
    pub(crate) async fn tab_to(&self, css: &str) {
        for _ in 0..80 {
            let is_there =
                self.run("return document.activeElement.matches(arguments[0])", vec![json!(css)]).await;
            if is_there == json!(true) {
                return;
            }
            self.press(TAB).await;
        }
        panic!("the keyboard does not reach {css}");
    }

    /// Has pages think that the person prefers dark colours, or light ones.
    pub(crate) async fn prefer(&self, scheme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.tell_chrome("Emulation.setEmulatedMedia", media).await;
    }

    /// Has the browser show a cookie to this site.
    pub(crate) async fn set_cookie(&self, name: &str, value: &str) {
        let cookie = json!({"name": name, "value": value, "url": self.base});
        self.tell_chrome("Network.setCookie", cookie).await;
    }

    /// From now on pages run no scripts.
    pub(crate) async fn run_no_scripts(&self) {
        self.tell_chrome("Emulation.setScriptExecutionDisabled", json!({"value": true})).await;
    }

    async fn tell_chrome(&self, command: &'static str, parameters: Value) {
        self.client.issue_cmd(ChromeCommand { command, parameters }).await.unwrap();
    }

    /// Runs a script in the page.
    pub(crate) async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }

    /// Everything that is written on the page.
    pub(crate) async fn text(&self) -> String {
        let text = self.client.execute("return document.body.innerText", vec![]).await;
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Waits until a text is on the page.
    pub(crate) async fn until_shown(&self, words: &str) {
        eventually(&format!("the page shows {words:?}"), async || {
            self.text().await.contains(words).then_some(())
        })
        .await;
    }
}

/// A command of the Chrome DevTools Protocol, which chromedriver passes on.
#[derive(Debug)]
struct ChromeCommand {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for ChromeCommand {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({"cmd": self.command, "params": self.parameters});
        (Method::POST, Some(body.to_string()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver leads a group of its own, with the browser in it.
        signal(self.driver.id(), "TERM");
        let _ = self.driver.wait();
        let _ = Command::new("pkill").args(["-KILL", "-f", &self.profile.display().to_string()]).status();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// Starts chromedriver at a free port.
fn start_driver() -> (Child, u16) {
    let started =
        Command::new("chromedriver").arg("--port=0").process_group(0).stdout(Stdio::piped()).spawn();
    let mut driver =
        started.expect("chromedriver is installed: Debian packages chromium and chromium-driver");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        let (_, rest) = line.split_once("started successfully on port ")?;
        rest.trim_end_matches('.').parse().ok()
    });
    // Nobody reads what it says later, and it must not wait for that.
    std::thread::spawn(move || lines.for_each(drop));
    (driver, port.expect("chromedriver says its port"))
}

fn capabilities(profile: &Path) -> Value {
    let arguments = [
        "--headless=new",
        // Tests may run as root in a container, where its own sandbox does not work.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--window-size=1280,900",
    ];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
    arguments.push(format!("--user-data-dir={}", profile.display()));
    json!({"goog:chromeOptions": {"args": arguments}, "unhandledPromptBehavior": "ignore"})
}
