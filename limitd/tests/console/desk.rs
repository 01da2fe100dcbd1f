//! What users do in the console, step by step.

use std::process::Command;

use crate::browser::{self, Browser, Manner};
use crate::world::{PASSWORD, Service, World};

/// The pages of an administrator.
pub const PAGES: [&str; 8] = [
    "/console/sessions",
    "/console/limits",
    "/console/history",
    "/console/profiles",
    "/console/assignments",
    "/console/status",
    "/console/account",
    "/console/password",
];

/// Makes a host, if this machine has what it takes.
pub fn world() -> Option<World> {
    if !browser::is_there() {
        return None;
    }
    let world = World::new();
    let demanded = std::env::var_os("HOST_TESTS_REQUIRED").is_some();
    assert!(world.is_some() || !demanded, "the test may not be skipped");
    world
}

/// Runs SQL on the store of sessions and returns what comes back.
pub fn sqlite(world: &World, sql: &str) -> String {
    let database = world.path("run/session-limit/live-sessions.db");
    let output = Command::new("sqlite3").arg(&database).arg(sql).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A browser at the service of a host.
pub struct Desk<'s> {
    /// The browser.
    pub browser: Browser,
    service: &'s Service<'s>,
}

impl<'s> Desk<'s> {
    /// Opens a browser.
    pub fn open(service: &'s Service<'s>, manner: Manner) -> Self {
        Self { browser: Browser::start(manner), service }
    }

    /// Opens a browser and logs a user in.
    pub fn of(service: &'s Service<'s>, user: &str) -> Self {
        let desk = Self::open(service, Manner::default());
        desk.go("/");
        desk.log_in(user);
        desk.browser.says(&format!("Logged in as {user}"));
        desk
    }

    /// Opens a page.
    pub fn go(&self, path: &str) {
        self.browser.go(&self.service.url(path));
    }

    /// Fills in the login screen.
    pub fn log_in(&self, user: &str) {
        self.browser.find("#username").fill(user);
        self.browser.find("#password").fill(PASSWORD);
        self.browser.press("Log in");
    }
}
