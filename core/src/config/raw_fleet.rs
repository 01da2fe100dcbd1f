//! The `[fleet]` table as typed, and its checks.

use serde::Deserialize;
use toml::Spanned;

use super::ConfigProblem;
use super::raw::{Number, one_of};
use crate::model::fleet_settings::{Endpoint, Fleet, OnEngineDown, is_host_name};

/// Seconds of the shortest lease: etcd grants none that is shorter than an election.
const SHORTEST_LEASE: u32 = 5;
/// Seconds of the longest lease.
const LONGEST_LEASE: u32 = 600;
const DEFAULT_LEASE: u32 = 10;
const DEFAULT_PREFIX: &str = "/session-limit";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFleet {
    endpoints: Vec<Spanned<String>>,
    host: Option<Spanned<String>>,
    prefix: Option<Spanned<String>>,
    ca: Option<Spanned<String>>,
    certificate: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    password_file: Option<Spanned<String>>,
    lease: Option<Spanned<Number>>,
    on_engine_down: Option<Spanned<String>>,
}

impl RawFleet {
    /// Checks addresses, names, paths and what goes together. `table` is where the table stands.
    ///
    /// # Errors
    ///
    /// The first problem, with its position.
    pub fn checked(table: Spanned<Self>) -> Result<Fleet, ConfigProblem> {
        if table.get_ref().endpoints.is_empty() {
            let problem = "[fleet] without endpoints, expected endpoints = [\"https://HOST:2379\"]";
            return Err(ConfigProblem::at(&table, problem.to_owned()));
        }
        let typed = table.into_inner();
        let endpoints: Vec<Endpoint> =
            typed.endpoints.iter().map(endpoint).collect::<Result<_, _>>()?;
        if let Some(host) = typed.host.as_ref().filter(|host| !is_host_name(host.get_ref())) {
            let problem = format!(
                "host {:?}, expected a host's name: letters, digits, `.`, `-` and `_`",
                host.get_ref()
            );
            return Err(ConfigProblem::at(host, problem));
        }
        if let Some(prefix) = typed.prefix.as_ref().filter(|prefix| !is_prefix(prefix.get_ref())) {
            let problem = format!(
                "prefix {:?}, expected /NAME or /NAME/NAME…, without a / at the end",
                prefix.get_ref()
            );
            return Err(ConfigProblem::at(prefix, problem));
        }
        for (name, path) in [
            ("ca", &typed.ca),
            ("certificate", &typed.certificate),
            ("key", &typed.key),
            ("password_file", &typed.password_file),
        ] {
            if let Some(path) = path.as_ref().filter(|path| !path.get_ref().starts_with('/')) {
                let problem = format!("{name} {:?}, expected an absolute path", path.get_ref());
                return Err(ConfigProblem::at(path, problem));
            }
        }
        for (one, other, names) in [
            (&typed.certificate, &typed.key, "certificate and key"),
            (&typed.user, &typed.password_file, "user and password_file"),
        ] {
            if let (Some(only), None) | (None, Some(only)) = (one, other) {
                let problem = format!("only one of {names}, expected both or none");
                return Err(ConfigProblem::at(only, problem));
            }
        }
        if let (Some(endpoint), None) =
            (typed.endpoints.iter().find(|one| one.get_ref().starts_with("https:")), &typed.ca)
        {
            let problem = "https without ca, expected the PEM file of etcd's certificate authority";
            return Err(ConfigProblem::at(endpoint, problem.to_owned()));
        }
        let lease = match &typed.lease {
            None => DEFAULT_LEASE,
            Some(typed) => match typed.get_ref().0 {
                seconds @ SHORTEST_LEASE..=LONGEST_LEASE => seconds,
                seconds => {
                    let problem = format!(
                        "lease {seconds}, expected {SHORTEST_LEASE} to {LONGEST_LEASE} seconds"
                    );
                    return Err(ConfigProblem::at(typed, problem));
                }
            },
        };
        let text = |typed: Option<Spanned<String>>| typed.map(Spanned::into_inner);
        Ok(Fleet {
            endpoints,
            host: text(typed.host),
            prefix: text(typed.prefix).unwrap_or_else(|| DEFAULT_PREFIX.to_owned()),
            ca: text(typed.ca),
            certificate: text(typed.certificate),
            key: text(typed.key),
            user: text(typed.user),
            password_file: text(typed.password_file),
            lease,
            on_engine_down: match &typed.on_engine_down {
                Some(word) => one_of(word, "on_engine_down", &OnEngineDown::WORDS)?,
                None => OnEngineDown::Local,
            },
        })
    }
}

fn endpoint(typed: &Spanned<String>) -> Result<Endpoint, ConfigProblem> {
    let text = typed.get_ref();
    let endpoint = Endpoint::parse(text).ok_or_else(|| {
        ConfigProblem::at(typed, format!("endpoint {text:?}, expected https://HOST:PORT"))
    })?;
    if !endpoint.tls && !endpoint.is_local() {
        let problem = format!("endpoint {text:?}, expected https://… where it is not on this host");
        return Err(ConfigProblem::at(typed, problem));
    }
    Ok(endpoint)
}

/// Returns whether `text` can begin keys: `/` and a name, once or more.
fn is_prefix(text: &str) -> bool {
    text.len() <= 256
        && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_host_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn without_the_table_there_is_no_fleet() {
        assert_eq!(Config::parse("").unwrap().fleet, None);
        let text =
            "[fleet]\nendpoints = [\"http://localhost:2379\"]\non_engine_down = \"refuse\"\n";
        let fleet = Config::parse(text).unwrap().fleet.unwrap();
        assert_eq!(
            (fleet.on_engine_down, fleet.lease, fleet.prefix.as_str()),
            (OnEngineDown::Refuse, 10, "/session-limit")
        );
    }

    #[test]
    fn what_cannot_work_is_rejected() {
        let local = "endpoints = [\"http://[::1]:2379\"]";
        for (lines, expected) in [
            (String::new(), "missing field `endpoints`"),
            ("endpoints = []".to_owned(), "without endpoints"),
            ("endpoints = [\"a:1\"]".to_owned(), "expected https://HOST:PORT"),
            ("endpoints = [\"http://10.0.0.1\"]".to_owned(), "not on this host"),
            ("endpoints = [\"https://a\"]".to_owned(), "https without ca"),
            (format!("{local}\nhost = \"a b\""), "a host's name"),
            (format!("{local}\nprefix = \"x/\""), "expected /NAME"),
            (format!("{local}\nca = \"x\""), "absolute path"),
            (format!("{local}\nkey = \"/x\""), "certificate and key"),
            (format!("{local}\nuser = \"x\""), "user and password_file"),
            (format!("{local}\nlease = 2"), "5 to 600 seconds"),
            (format!("{local}\nlease = -1"), "whole number"),
            (format!("{local}\non_engine_down = \"pray\""), "\"local\" or \"refuse\""),
            (format!("{local}\ncolour = 1"), "unknown field"),
        ] {
            let problem = Config::parse(&format!("[fleet]\n{lines}\n")).unwrap_err();
            assert!(problem.message.contains(expected), "{lines}: {}", problem.message);
        }
    }
}
