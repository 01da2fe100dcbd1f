//! The `[fleet]` table of the configuration: one limit over several hosts.

use std::fmt;

/// The `[fleet]` table. A host without it counts its own sessions only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// The members of the etcd cluster.
    pub endpoints: Vec<Endpoint>,
    /// The name of this host in the fleet; nothing = the kernel's host name.
    pub host: Option<String>,
    /// What every key begins with, without a slash at the end.
    pub prefix: String,
    /// PEM file of the authorities that sign the certificates of etcd.
    pub ca: Option<String>,
    /// PEM file of this host's certificate and its chain.
    pub certificate: Option<String>,
    /// PEM file of its private key.
    pub key: Option<String>,
    /// The user of etcd, where etcd asks for one.
    pub user: Option<String>,
    /// The file with that user's password.
    pub password_file: Option<String>,
    /// Seconds after which the slots of a host that is gone are free.
    pub lease: u32,
    /// What decides while etcd cannot be asked.
    pub on_engine_down: OnEngineDown,
}

/// What decides about a login while etcd or the agent cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEngineDown {
    /// The sessions of this host alone.
    Local,
    /// No login of a user with a limit is let in.
    Refuse,
}

impl OnEngineDown {
    /// How the configuration spells them.
    pub const WORDS: [(&str, Self); 2] = [("local", Self::Local), ("refuse", Self::Refuse)];
}

/// Where a member of the cluster listens for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Its name or address; IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Endpoint {
    /// The port of etcd's clients.
    pub const DEFAULT_PORT: u16 = 2379;

    /// Reads `https://HOST[:PORT]` or `http://HOST[:PORT]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (tls, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (host.parse::<std::net::Ipv6Addr>().ok()?.to_string(), port)
            }
            None => {
                let (host, port) = rest.split_at(rest.find(':').unwrap_or(rest.len()));
                (is_host_name(host).then(|| host.to_owned())?, port)
            }
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok().filter(|&port| port != 0)?,
            None if port.is_empty() => Self::DEFAULT_PORT,
            None => return None,
        };
        Some(Self { tls, host, port })
    }

    /// Returns whether it is on this host, so that what is said is seen by no other.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Returns `HOST:PORT`, as a URL has it.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// Returns whether `text` can name a host: 1 to 253 letters, digits, `.`, `-` and `_`, the first a letter or
/// digit.
#[must_use]
pub fn is_host_name(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    text.len() <= 253
        && text.bytes().all(is_plain)
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_a_port() {
        let read = |text| Endpoint::parse(text).map(|endpoint| endpoint.to_string());
        assert_eq!(read("https://etcd1").as_deref(), Some("https://etcd1:2379"));
        assert_eq!(read("http://127.0.0.1:1/").as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(read("https://[::1]:2379").as_deref(), Some("https://[::1]:2379"));
        for bad in [
            "etcd1:2379",
            "https://",
            "https://a:0",
            "https://a:x",
            "https://a/b",
            "https://[a]",
            "ftp://a",
            "https://a b",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(Endpoint::parse("http://[::1]").unwrap().is_local());
        assert!(!Endpoint::parse("http://10.0.0.1").unwrap().is_local());
    }

    #[test]
    fn a_host_has_a_plain_name() {
        assert!(is_host_name("web1.example.org") && is_host_name("WEB_1"));
        for bad in ["", "-a", "a b", "a/b", "a=b", "é", &"a".repeat(254)] {
            assert!(!is_host_name(bad), "{bad}");
        }
    }
}
