//! Chromium, driven as the WebDriver standard says (W3C Recommendation), over HTTP.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a page may take for what is waited for.
const DEADLINE: Duration = Duration::from_secs(60);
/// The key under which the standard hands elements over.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What the browser is to be like.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Whether pages may run scripts.
    pub script: bool,
    /// Width and height of the window.
    pub size: (u32, u32),
    /// The zone of the browser's clock.
    pub zone: &'static str,
    /// A process in whose network the browser is to be.
    pub network_of: Option<u32>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { script: true, size: (1280, 900), zone: "UTC", network_of: None }
    }
}

/// A browser with one window.
pub struct Browser {
    driver: Child,
    port: u16,
    network_of: Option<u32>,
    session: String,
    _home: TempDir,
}

/// An element of the page.
pub struct Element<'b> {
    browser: &'b Browser,
    id: String,
}

/// Returns whether there is a browser; where there must be one its absence is an error.
pub fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let answers = |program: &str| {
            Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
        };
        let there = answers("chromium") && answers("chromedriver");
        if !there {
            let demanded = std::env::var_os("HOST_TESTS_REQUIRED").is_some();
            assert!(!demanded, "chromium and chromedriver are missing, and may not be");
            eprintln!("SKIPPED: needs chromium and chromedriver (chromium-driver)");
        }
        there
    })
}

impl Browser {
    /// Starts a browser.
    pub fn start(manner: Manner) -> Self {
        let home = tempfile::tempdir().unwrap();
        let network_of = manner.network_of;
        let port = in_network(network_of, || {
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
        });
        let mut driver = match network_of {
            Some(pid) => {
                let mut enter = Command::new("nsenter");
                enter.args(["-n", "-t", &pid.to_string(), "unshare"]);
                enter
            }
            None => Command::new("unshare"),
        };
        // Processes of its own: all of them end with the first one, and that one with this thread.
        driver
            .args(["--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"])
            .arg("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", home.path())
            .env("TZ", manner.zone)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let die_with_this_thread = || {
            // SAFETY: prctl takes two integers here.
            match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        // SAFETY: between fork and exec only an async-signal-safe call is made.
        let driver = unsafe { driver.pre_exec(die_with_this_thread) }.spawn().unwrap();
        let mut browser = Self { driver, port, network_of, session: String::new(), _home: home };
        let began = Instant::now();
        while browser.connect().is_err() {
            assert!(began.elapsed() < DEADLINE, "chromedriver does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        let (width, height) = manner.size;
        let scripts = if manner.script { 1 } else { 2 };
        let profile = browser._home.path().join("profile");
        let options = json!({
            "args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", "--lang=en-GB", format!("--window-size={width},{height}"),
                format!("--user-data-dir={}", profile.display()),
            ],
            "prefs": { "profile.managed_default_content_settings.javascript": scripts },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": true, "goog:chromeOptions": options,
        }}});
        let answer = browser.call("POST", "", &wanted).unwrap();
        browser.session = format!("/{}", answer["sessionId"].as_str().unwrap());
        browser
    }

    /// Opens an address.
    pub fn go(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Returns the address.
    pub fn url(&self) -> String {
        self.text_of("/url")
    }

    /// Returns the path and query of the address.
    pub fn path(&self) -> String {
        let url = self.url();
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or(String::new(), |slash| rest[slash..].to_owned())
    }

    /// Runs a script, as its author could in the browser's tools.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a script that calls its last argument with the result.
    pub fn run_async(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Sends a command of the Chrome DevTools protocol.
    pub fn tool(&self, command: &str, params: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// Shows pages light or dark, as the user of the browser wishes.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tool("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Returns the elements that a CSS selector means.
    pub fn all(&self, css: &str) -> Vec<Element<'_>> {
        let found = self.post("/elements", &json!({ "using": "css selector", "value": css }));
        let ids = found.as_array().unwrap().iter();
        ids.map(|one| Element { browser: self, id: one[ELEMENT].as_str().unwrap().to_owned() })
            .collect()
    }

    /// Returns the element that a CSS selector means, as soon as it is there.
    pub fn find(&self, css: &str) -> Element<'_> {
        self.wait(css, || self.all(css).into_iter().next())
    }

    /// Returns the button or link with this text.
    pub fn named(&self, text: &str) -> Element<'_> {
        self.wait(text, || {
            let all = self.all("button, a");
            all.into_iter().find(|one| one.text() == text || one.label() == text)
        })
    }

    /// Clicks the button or link with this text, found anew where the page has refreshed itself meanwhile.
    pub fn press(&self, text: &str) {
        self.wait(text, || match self.named(text).try_post("click", &json!({})) {
            Err(error) if error.contains("stale element") => None,
            clicked => Some(clicked.unwrap_or_else(|error| panic!("{text}: {error}"))),
        });
    }

    /// Returns the element that has the focus.
    pub fn active(&self) -> Element<'_> {
        let found = self.call("GET", "/element/active", &Value::Null).unwrap();
        Element { browser: self, id: found[ELEMENT].as_str().unwrap().to_owned() }
    }

    /// Returns the text of the page as it is seen.
    pub fn text(&self) -> String {
        self.find("body").text()
    }

    /// Waits until the page says something.
    pub fn says(&self, text: &str) {
        let began = Instant::now();
        loop {
            // A page that is being left has no body for a moment.
            let shown = self.all("body").first().map(|body| body.try_text().unwrap_or_default());
            let shown = shown.unwrap_or_default();
            if shown.contains(text) {
                return;
            }
            assert!(began.elapsed() < DEADLINE, "{text:?} is not in {}:\n{shown}", self.url());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types keys, to what has the focus.
    pub fn keys(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", &json!({ "actions": [keyboard] }));
    }

    /// Returns the cookies, as the browser keeps them.
    pub fn cookies(&self) -> Vec<Value> {
        self.call("GET", "/cookie", &Value::Null).unwrap().as_array().unwrap().clone()
    }

    /// Returns a picture of the page, as base64.
    pub fn picture(&self) -> String {
        self.text_of("/screenshot")
    }

    /// Waits until something is there.
    pub fn wait<T>(&self, what: &str, mut find: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = find() {
                return found;
            }
            if began.elapsed() > DEADLINE {
                panic!("{what} is not there: {}\n{}", self.url(), self.text());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn text_of(&self, path: &str) -> String {
        self.call("GET", path, &Value::Null).unwrap().as_str().unwrap().to_owned()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        in_network(self.network_of, || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)))
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = self.connect().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "{method} /session{}{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.session,
            self.port,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let answer = read_answer(&mut stream);
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
        let value = answer["value"].clone();
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or(""))),
            None => Ok(value),
        }
    }
}

/// Runs `work` in the network of a process; what it opens stays there.
fn in_network<T: Send>(network_of: Option<u32>, work: impl FnOnce() -> T + Send) -> T {
    let Some(pid) = network_of else { return work() };
    let network = File::open(format!("/proc/{pid}/ns/net")).unwrap();
    let enter_and_work = || {
        // SAFETY: the descriptor is open for as long as the call lasts; the call changes this thread alone.
        let entered = unsafe { libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(entered, 0, "setns: {}", io::Error::last_os_error());
        work()
    };
    std::thread::scope(|scope| scope.spawn(enter_and_work).join().unwrap())
}

fn read_answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut room = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut room).unwrap();
        bytes.extend_from_slice(&room[..length]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let is_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
            let line = head.lines().find(is_length).unwrap_or("content-length: 0");
            let wanted: usize = line.split(':').nth(1).unwrap().trim().parse().unwrap();
            if length == 0 || bytes.len() >= head.len() + 4 + wanted {
                return body.to_owned();
            }
        }
        assert!(length > 0, "chromedriver broke off");
    }
}

impl Element<'_> {
    /// Clicks it.
    pub fn click(&self) {
        self.post("click", &json!({}));
    }

    /// Types text into it.
    pub fn type_in(&self, text: &str) {
        self.post("value", &json!({ "text": text }));
    }

    /// Replaces what is typed in it.
    pub fn fill(&self, text: &str) {
        self.post("clear", &json!({}));
        self.type_in(text);
    }

    /// Returns its text as it is seen.
    pub fn text(&self) -> String {
        self.try_text().unwrap_or_default()
    }

    fn try_text(&self) -> Result<String, String> {
        Ok(self.get("text")?.as_str().unwrap_or_default().to_owned())
    }

    /// Returns what it is to a screen reader.
    pub fn role(&self) -> String {
        self.get("computedrole").unwrap().as_str().unwrap_or_default().to_owned()
    }

    /// Returns what a screen reader calls it.
    pub fn label(&self) -> String {
        self.get("computedlabel").unwrap_or_default().as_str().unwrap_or_default().to_owned()
    }

    /// Returns a property of it.
    pub fn property(&self, name: &str) -> Value {
        self.get(&format!("property/{name}")).unwrap()
    }

    /// Returns whether it is seen.
    pub fn is_seen(&self) -> bool {
        self.get("displayed").is_ok_and(|shown| shown == true)
    }

    fn get(&self, what: &str) -> Result<Value, String> {
        self.browser.call("GET", &format!("/element/{}/{what}", self.id), &Value::Null)
    }

    fn try_post(&self, what: &str, body: &Value) -> Result<Value, String> {
        self.browser.call("POST", &format!("/element/{}/{what}", self.id), body)
    }

    fn post(&self, what: &str, body: &Value) {
        self.try_post(what, body).unwrap_or_else(|error| panic!("{what} {body}: {error}"));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.call("DELETE", "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
