//! Who a request is from: address, session, and whether a write was meant by that session's user.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::FromRequestParts;
use axum::http::header::{HOST, ORIGIN, REFERER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use session_limit_core::model::service_settings::Network;

use super::app::App;
use super::failure::Failure;
use crate::net::{Connection, Peer};
use crate::sessions::Session;
use crate::sessions::cookies::{self, Hash};

const CSRF_HEADER: &str = "x-csrftoken";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The session of a request that only reads.
pub struct Reader(pub Session);

/// The session of a request that changes something: with the word against forged requests, and from a page of
/// this host.
pub struct Writer(pub Session);

/// The client's address.
pub struct Client {
    /// The address; of a client of the Unix socket that of this host.
    pub address: IpAddr,
    /// The same, as PAM is told.
    pub rhost: String,
    /// Whether a proxy has handed the request on.
    pub is_forwarded: bool,
}

impl FromRequestParts<App> for Reader {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let found = app.table.find(&cookies::candidates(&parts.headers));
        found.map(Self).ok_or_else(Failure::no_session)
    }
}

impl FromRequestParts<App> for Writer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let Reader(session) = Reader::from_request_parts(parts, app).await?;
        let word = parts.headers.get(CSRF_HEADER).and_then(|word| word.to_str().ok());
        if word.is_none_or(|word| Hash::of(word) != session.csrf) {
            let error = "the header X-CSRFToken is missing or wrong, expected the cookie csrftoken";
            return Err(Failure::new(StatusCode::FORBIDDEN, error));
        }
        if !is_same_site(&parts.headers) {
            let error = "the header Referer is missing or of another host";
            return Err(Failure::new(StatusCode::FORBIDDEN, error));
        }
        Ok(Self(session))
    }
}

impl FromRequestParts<App> for Client {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let peer = parts.extensions.get::<Peer>().copied().unwrap_or(Peer::Local);
        Ok(client(peer, &parts.headers, &app.settings().service.trusted_proxies))
    }
}

impl FromRequestParts<App> for Connection {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Returns whether a request that a browser sends on behalf of a page comes from a page of this host.
fn is_same_site(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(host) = text(HOST.as_str()) else { return false };
    let is_ours = |url: &str| {
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !authority.contains('@') && name_of(authority).eq_ignore_ascii_case(name_of(host))
    };
    text(REFERER.as_str()).is_some_and(is_ours) && text(ORIGIN.as_str()).is_none_or(is_ours)
}

/// Returns whether an origin (`https://HOST:PORT`) is that of the host that a request was sent to.
pub fn is_of_host(origin: &str, host: &str) -> bool {
    // A browser leaves the usual port out of both.
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some_and(|authority| !host.is_empty() && authority.eq_ignore_ascii_case(host))
}

/// Returns a host without its port.
fn name_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

/// Returns the address of the client: of what proxies say, the last address that is no trusted proxy.
fn client(peer: Peer, headers: &HeaderMap, trusted: &[Network]) -> Client {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = match peer {
        Peer::Address(address) => address.to_canonical(),
        Peer::Local => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let said = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
    let mut hops: Vec<&str> = said.flat_map(|line| line.split(',')).map(str::trim).collect();
    let is_forwarded = !hops.is_empty();
    while is_trusted(address) {
        match hops.pop().map(str::parse::<IpAddr>) {
            Some(Ok(hop)) => address = hop.to_canonical(),
            _ => break,
        }
    }
    Client { address, rhost: address.to_string(), is_forwarded }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn only_pages_of_this_host_may_write() {
        for (referer, host, expected) in [
            ("https://h:8443/x", "h:8443", true),
            ("https://h", "h", true),
            ("https://H/", "h:8443", true),
            ("https://[::1]:8443/", "[::1]:8443", true),
            ("https://evil/h", "h", false),
            ("https://h@evil/", "h", false),
            ("https://h.evil/", "h", false),
            ("h", "h", false),
        ] {
            let headers = headers(&[("referer", referer), ("host", host)]);
            assert_eq!(is_same_site(&headers), expected, "{referer} {host}");
        }
        assert!(!is_same_site(&headers(&[("host", "h")])));
        let other = [("host", "h"), ("referer", "https://h/"), ("origin", "https://evil")];
        assert!(!is_same_site(&headers(&other)));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap(), Network::parse("::1").unwrap()];
        let of = |peer: &str, said: &'static str| {
            let peer = Peer::Address(peer.parse().unwrap());
            client(peer, &headers(&[("x-forwarded-for", said)]), &trusted).rhost
        };
        assert_eq!(of("192.0.2.1", "1.2.3.4"), "192.0.2.1");
        assert_eq!(of("10.1.1.1", "1.2.3.4"), "1.2.3.4");
        assert_eq!(of("::ffff:10.1.1.1", "6.6.6.6, 1.2.3.4, 10.2.2.2"), "1.2.3.4");
        assert_eq!(of("10.1.1.1", "rubbish"), "10.1.1.1");
        assert_eq!(
            client(Peer::Local, &headers(&[("x-forwarded-for", "1.2.3.4")]), &trusted).rhost,
            "1.2.3.4"
        );
        assert_eq!(client(Peer::Local, &HeaderMap::new(), &[]).rhost, "::1");
    }
}
