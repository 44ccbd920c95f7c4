//! A window under test: display, driver, session, and what a person can do with it.

use crate::home::{Home, root};
use crate::xdnd;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A busy machine is slow; what does not come in so long does not come.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_visavis-desktop");

/// A child that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A display without a screen.
pub(crate) struct Display {
    _server: Process,
    pub(crate) name: String,
}

impl Display {
    pub(crate) fn new() -> Self {
        let mut server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "2600x1500x24",
                "-nolisten",
                "tcp",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb (Debian package xvfb)");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut number)
            .unwrap();
        Self {
            _server: Process(server),
            name: format!(":{}", number.trim()),
        }
    }
}

/// The window.
pub(crate) struct Window {
    client: Client,
    // Dropped in this order: the driver ends the program, then the display goes.
    _driver: Process,
    pub(crate) display: Display,
}

impl Window {
    /// Starts the program in `home` and waits until its page is drawn.
    pub(crate) async fn open(home: &Home) -> Self {
        let display = Display::new();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let driver = Command::new("WebKitWebDriver")
            .args(["--host=127.0.0.1", &format!("--port={port}")])
            .envs(home.environment(&display.name))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("WebKitWebDriver (Debian package webkit2gtk-driver)");
        let driver = Process(driver);
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(
                begun.elapsed() < PATIENCE,
                "WebKitWebDriver does not answer"
            );
            std::thread::sleep(LOOK);
        }
        let capabilities = json!({
            "webkitgtk:browserOptions": { "binary": PROGRAM, "args": [] },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a session with the window");
        let window = Self {
            client,
            _driver: driver,
            display,
        };
        window
            .wait("the page", "main, [role=alert], .welcome")
            .await;
        window
    }

    /// Ends the program. What was saved is all that is left of it.
    pub(crate) async fn close(self) {
        let _ = self.client.close().await;
    }

    /// The first element for a CSS selector, once there is one.
    pub(crate) async fn wait(&self, what: &str, css: &str) -> Element {
        let begun = Instant::now();
        loop {
            match self.client.find(Locator::Css(css)).await {
                Ok(element) => return element,
                Err(error) if begun.elapsed() > PATIENCE => {
                    panic!("no {what} ({css}): {error}\n{}", self.words().await)
                }
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// How many elements a CSS selector has now.
    pub(crate) async fn count(&self, css: &str) -> usize {
        let found = self.client.find_all(Locator::Css(css)).await;
        found.map_or(0, |found| found.len())
    }

    /// Waits until `test`, a JavaScript expression, is true.
    pub(crate) async fn until(&self, what: &str, test: &str) {
        let begun = Instant::now();
        loop {
            let held = self.run(&format!("return Boolean({test})")).await;
            if held == Value::Bool(true) {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "never {what} ({test})\n{}",
                self.words().await
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the words stand in the window.
    pub(crate) async fn see(&self, words: &str) {
        let text = serde_json::to_string(words).unwrap();
        let test = format!("document.body.innerText.includes({text})");
        self.until(&format!("seen {words:?}"), &test).await;
    }

    /// Waits until the words no longer stand in the window.
    pub(crate) async fn gone(&self, words: &str) {
        let text = serde_json::to_string(words).unwrap();
        let test = format!("!document.body.innerText.includes({text})");
        self.until(&format!("gone {words:?}"), &test).await;
    }

    /// Everything that can be read in the window.
    pub(crate) async fn words(&self) -> String {
        let text = self.run("return document.body.innerText").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Runs JavaScript in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        match self.client.execute(script, Vec::new()).await {
            Ok(value) => value,
            Err(CmdError::Standard(error)) => panic!("{script}: {error}"),
            Err(error) => panic!("{script}: {error}"),
        }
    }

    /// Presses the first button with this name that can be pressed: what it says, or what a
    /// screen reader says of it.
    pub(crate) async fn press(&self, name: &str) {
        let quoted = serde_json::to_string(name).unwrap();
        let script = format!(
            "const named = (e) => (e.getAttribute('aria-label') ?? e.innerText).trim() === {quoted};
             const all = document.querySelectorAll('button, [role=menuitem], [role=menuitemradio], [role=radio], [role=option], label, a');
             const found = [...all].find((e) => named(e) && !e.disabled && e.getClientRects().length);
             found?.click();
             return Boolean(found);"
        );
        let begun = Instant::now();
        while self.run(&script).await != Value::Bool(true) {
            assert!(
                begun.elapsed() < PATIENCE,
                "no button {name:?}\n{}",
                self.words().await
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Types into the field with this name.
    pub(crate) async fn type_into(&self, name: &str, text: &str) {
        let css = format!("textarea[aria-label=\"{name}\"], input[aria-label=\"{name}\"]");
        let field = self.wait(name, &css).await;
        field.send_keys(text).await.unwrap();
    }

    /// Presses a key where the cursor is.
    pub(crate) async fn key(&self, key: Key) {
        let active = self.client.active_element().await.unwrap();
        active
            .send_keys(&String::from(char::from(key)))
            .await
            .unwrap();
    }

    /// Asks a question and waits for the answer to end.
    pub(crate) async fn ask(&self, text: &str) {
        let before = self.count("article.answer[data-status]").await;
        self.type_into(
            "Your question",
            &format!("{text}{}", char::from(Key::Enter)),
        )
        .await;
        self.until(
            "answered",
            &format!(
                "document.querySelectorAll('article.answer').length > {before} &&
                 ![...document.querySelectorAll('article.answer')].some((a) => a.dataset.status === 'writing')"
            ),
        )
        .await;
    }

    /// What the last answer says.
    pub(crate) async fn last_answer(&self) -> String {
        let script =
            "return [...document.querySelectorAll('article.answer')].at(-1)?.innerText ?? ''";
        self.run(script)
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Drops files, folders or addresses on the middle of the window, from another program.
    pub(crate) fn drop_on(&self, uris: &[String]) {
        xdnd::drop_uris(&self.display.name, uris).unwrap();
    }

    /// Makes the window this large.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        self.client.set_window_size(width, height).await.unwrap();
    }

    /// Keeps what the window looks like: under `target`, or where `VISAVIS_SCREENSHOTS` says.
    pub(crate) async fn shoot(&self, name: &str) {
        let folder = std::env::var_os("VISAVIS_SCREENSHOTS").map_or_else(
            || root().join("target/screenshots"),
            |folder| root().join(folder),
        );
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.client.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }
}

/// A file's address, as a file manager gives it.
pub(crate) fn uri(path: &Path) -> String {
    format!("file://{}", path.canonicalize().unwrap().display())
}
