//! The `[service]` table as typed, and its checks.

use serde::Deserialize;
use toml::Spanned;

use super::ConfigProblem;
use super::raw::Number;
use crate::model::service_settings::{Listen, Network, Service};

/// Ten years.
const MAX_HISTORY_DAYS: u32 = 3_650;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct RawService {
    listen: Option<Spanned<String>>,
    tls: Option<Spanned<bool>>,
    certificate: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    banner: Option<Spanned<String>>,
    trusted_proxies: Option<Vec<Spanned<String>>>,
    api_idle_timeout: Option<Number>,
    api_session_lifetime: Option<Number>,
    login_attempts_per_address: Option<Number>,
    login_attempts: Option<Number>,
    history_days: Option<Spanned<Number>>,
}

impl RawService {
    /// Checks addresses, paths and what goes together.
    ///
    /// # Errors
    ///
    /// The first problem, with its position.
    pub fn checked(self) -> Result<Service, ConfigProblem> {
        let default = Service::default();
        let number = |typed: Option<Number>, default| typed.map_or(default, |Number(n)| n);
        let listen = match &self.listen {
            None => default.listen,
            Some(typed) => Listen::parse(typed.get_ref()).ok_or_else(|| {
                let text = typed.get_ref();
                ConfigProblem::at(
                    typed,
                    format!("listen {text:?}, expected ADDRESS:PORT or unix:/PATH"),
                )
            })?,
        };
        if let Some(tls) = &self.tls {
            if !tls.get_ref() && !listen.is_local() {
                return Err(ConfigProblem::at(
                    tls,
                    "tls = false, expected a loopback address or a Unix socket in listen then"
                        .to_owned(),
                ));
            }
        }
        if let (Some(one), None) | (None, Some(one)) = (&self.certificate, &self.key) {
            let problem = "only one of certificate and key, expected both or none";
            return Err(ConfigProblem::at(one, problem.to_owned()));
        }
        let files =
            [("certificate", &self.certificate), ("key", &self.key), ("banner", &self.banner)];
        for (name, typed) in files {
            if let Some(path) = typed.as_ref().filter(|path| !path.get_ref().starts_with('/')) {
                let problem = format!("{name} {:?}, expected an absolute path", path.get_ref());
                return Err(ConfigProblem::at(path, problem));
            }
        }
        let network = |typed: Spanned<String>| {
            Network::parse(typed.get_ref()).ok_or_else(|| {
                let text = typed.get_ref();
                ConfigProblem::at(
                    &typed,
                    format!("trusted proxy {text:?}, expected ADDRESS or ADDRESS/BITS"),
                )
            })
        };
        let history_days = match &self.history_days {
            None => default.history_days,
            Some(days) if days.get_ref().0 <= MAX_HISTORY_DAYS => days.get_ref().0,
            Some(days) => {
                let expected = format!("expected 0 to {MAX_HISTORY_DAYS} days");
                let problem = format!("history_days {}, {expected}", days.get_ref().0);
                return Err(ConfigProblem::at(days, problem));
            }
        };
        let proxies = self.trusted_proxies.unwrap_or_default();
        Ok(Service {
            listen,
            tls: self.tls.map_or(default.tls, Spanned::into_inner),
            certificate: self.certificate.map(Spanned::into_inner),
            key: self.key.map(Spanned::into_inner),
            banner: self.banner.map(Spanned::into_inner),
            trusted_proxies: proxies.into_iter().map(network).collect::<Result<_, _>>()?,
            api_idle_timeout: number(self.api_idle_timeout, default.api_idle_timeout),
            api_session_lifetime: number(self.api_session_lifetime, default.api_session_lifetime),
            login_attempts_per_address: number(
                self.login_attempts_per_address,
                default.login_attempts_per_address,
            ),
            login_attempts: number(self.login_attempts, default.login_attempts),
            history_days,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_is_left_out_takes_the_defaults() {
        assert_eq!(Config::parse("[service]\n").unwrap().service, Service::default());
        let text = "[service]\nlisten = \"127.0.0.1:80\"\ntls = false\napi_idle_timeout = 1\n\
                    trusted_proxies = [\"10.0.0.0/8\"]\n";
        let service = Config::parse(text).unwrap().service;
        assert_eq!((service.tls, service.api_idle_timeout), (false, 1));
        assert!(service.trusted_proxies[0].contains([10, 1, 1, 1].into()));
    }

    #[test]
    fn what_cannot_be_served_is_rejected() {
        for (line, expected) in [
            ("listen = \"8443\"", "ADDRESS:PORT"),
            ("tls = false", "loopback"),
            ("certificate = \"/c.pem\"", "both or none"),
            ("certificate = \"c.pem\"\nkey = \"/k.pem\"", "absolute path"),
            ("banner = \"issue\"", "banner \"issue\", expected an absolute path"),
            ("trusted_proxies = [\"x\"]", "ADDRESS/BITS"),
            ("api_idle_timeout = -1", "whole number"),
            ("history_days = 3651", "history_days 3651, expected 0 to 3650 days"),
            ("history_days = \"x\"", "whole number"),
            ("colour = 1", "unknown field"),
        ] {
            let problem = Config::parse(&format!("[service]\n{line}\n")).unwrap_err();
            assert!(problem.message.contains(expected), "{line}: {}", problem.message);
        }
    }
}
