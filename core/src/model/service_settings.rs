//! The `[service]` table of the configuration: how `session-limitd` serves its API.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The `[service]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Where clients connect, unless systemd hands sockets over.
    pub listen: Listen,
    /// Whether clients speak TLS. Without it only addresses of this host are served.
    pub tls: bool,
    /// PEM file of the certificate and its chain; nothing = a self-signed one is made.
    pub certificate: Option<String>,
    /// PEM file of the private key.
    pub key: Option<String>,
    /// File whose text the login screen of the console shows; nothing = no text.
    pub banner: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Minutes after the last call until a session ends; 0 = never.
    pub api_idle_timeout: u32,
    /// Hours after the login until a session ends; 0 = never.
    pub api_session_lifetime: u32,
    /// Login attempts a minute from one address; 0 = any number.
    pub login_attempts_per_address: u32,
    /// Login attempts a minute from all addresses; 0 = any number.
    pub login_attempts: u32,
    /// Days that samples of how many sessions there are are kept; 0 = none is taken.
    pub history_days: u32,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            listen: Listen::Address(SocketAddr::from(([0; 8], 8443))),
            tls: true,
            certificate: None,
            key: None,
            banner: None,
            trusted_proxies: Vec::new(),
            api_idle_timeout: 15,
            api_session_lifetime: 24,
            login_attempts_per_address: 20,
            login_attempts: 600,
            history_days: 30,
        }
    }
}

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listen {
    /// An address and a port.
    Address(SocketAddr),
    /// The path of a Unix socket.
    Unix(String),
}

impl Listen {
    /// Reads `ADDRESS:PORT` or `unix:/PATH`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Some(Self::Unix(path.to_owned())),
            Some(_) => None,
            None => text.parse().ok().map(Self::Address),
        }
    }

    /// Returns whether only this host can connect.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// An address, or all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(whole), |prefix| prefix.parse().ok())?;
        (prefix <= whole).then_some(Self { address, prefix })
    }

    /// Returns whether `address` is in the network; IPv4 written as IPv6 is IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| -> (u128, u32) {
            match address.to_canonical() {
                IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
                IpAddr::V6(address) => (address.to_bits(), 128),
            }
        };
        let ((own, width), (other, other_width)) = (bits(self.address), bits(address));
        let ignored = width.saturating_sub(u32::from(self.prefix));
        let start = |value: u128| value.checked_shr(ignored).unwrap_or(0);
        width == other_width && start(own) == start(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_alike() {
        let contains = |network, address: &str| {
            Network::parse(network).unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.1.2"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "1.2.3.4") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("::/0", "fe80::1") && contains("::1", "::1"));
        assert!(contains("127.0.0.1", "::ffff:127.0.0.1"));
        for bad in ["", "10.0.0.0/33", "x", "10.0.0.0/", "::1/129", "10.0.0/8"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_listens_on_an_address_or_a_path() {
        assert!(!Listen::parse("[::]:8443").unwrap().is_local());
        assert!(Listen::parse("127.0.0.1:80").unwrap().is_local());
        assert!(Listen::parse("unix:/run/x").unwrap().is_local());
        for bad in ["", "8443", ":8443", "localhost:80", "unix:", "unix:x"] {
            assert_eq!(Listen::parse(bad), None, "{bad}");
        }
    }
}
