//! What a form sends: believed only from a page of this host, with the session's word in it.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use zeroize::{Zeroize, Zeroizing};

use super::problem::Problem;
use super::visitor::{Visitor, known};
use crate::calls::{App, Failure, is_of_host, read_body};
use crate::net::Connection;
use crate::sessions::cookies::Hash;

/// The field that holds the session's word.
pub const CSRF: &str = "csrf";

/// The fields of the form that changes a password.
pub const OLD_PASSWORD: &str = "old_password";
pub const NEW_PASSWORD: &str = "password";
pub const AGAIN: &str = "again";

/// The fields of a form, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(pub Vec<(String, String)>);

impl Form {
    /// Reads what a browser sends.
    pub fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).map(|(n, v)| (n.into_owned(), v.into_owned())).collect())
    }

    /// Returns the value of a field; empty where it is missing.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// Returns the value of a field.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Returns whether there are passwords in it, which are not kept.
    pub fn has_secrets(&self) -> bool {
        [OLD_PASSWORD, NEW_PASSWORD, AGAIN].iter().any(|name| self.find(name).is_some())
    }

    /// Takes a secret out of the form; nothing of it stays there, in a field of the same name neither.
    pub fn take(&mut self, name: &str) -> Zeroizing<String> {
        let mut fields = self.0.iter_mut().filter(|(field, _)| field == name);
        let text = fields.next().map(|(_, value)| std::mem::take(value));
        fields.for_each(|(_, value)| value.zeroize());
        Zeroizing::new(text.unwrap_or_default())
    }

    /// Returns the form as a browser would send it, without the session's word.
    pub fn encoded(&self) -> String {
        let fields = self.0.iter().filter(|(name, _)| name != CSRF);
        let mut text = form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            text.append_pair(name, value);
        }
        text.finish()
    }
}

/// A form that a user has sent from a page of this host.
pub struct Posted {
    /// The user.
    pub visitor: Visitor,
    /// The form.
    pub form: Form,
}

/// Why a form is not taken.
pub enum FormProblem {
    /// The session is over; where the form was sent, and the form.
    Over(String, Form),
    /// The password has expired and has to be changed first; whose, and the form.
    Expired(Box<Visitor>, Form),
    /// The form cannot be read.
    Body(Failure),
    /// Anything else.
    Other(Problem),
}

impl From<Problem> for FormProblem {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl FromRequest<App> for Posted {
    type Rejection = FormProblem;

    async fn from_request(request: Request<Body>, app: &App) -> Result<Self, FormProblem> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        check_origin(&parts.headers)?;
        let connection = parts.extensions.get::<Connection>().cloned().unwrap_or_default();
        let body = read_body(&connection, body).await.map_err(FormProblem::Body)?;
        // It may be a password.
        let body = Zeroizing::new(body);
        let form = Form::parse(&body);
        // What was typed is kept until the user has logged in again.
        let Some(known) = known(app, &parts.headers) else {
            return Err(FormProblem::Over(path, form));
        };
        if Hash::of(form.get(CSRF)) != known.session.csrf {
            let text = "The form is not of this session.";
            return Err(Problem::Request(StatusCode::FORBIDDEN, text.to_owned()).into());
        }
        match Visitor::of(known.session, known.csrf, path.clone(), false).await {
            Ok(visitor) if visitor.has_to_change_password() => {
                Err(FormProblem::Expired(Box::new(visitor), form))
            }
            Ok(visitor) => Ok(Self { visitor, form }),
            Err(Problem::Over(_)) => Err(FormProblem::Over(path, form)),
            Err(problem) => Err(problem.into()),
        }
    }
}

/// Checks that a form was sent by a page of this host, as the browser says it.
///
/// # Errors
/// When it was not, or the browser does not say.
pub fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site");
    let origin = text(ORIGIN.as_str());
    let host = text(HOST.as_str()).unwrap_or_default();
    let is_ours = match (site, origin) {
        (Some(site), _) if site != "same-origin" => false,
        (_, Some(origin)) => is_of_host(origin, host),
        (Some(_), None) => true,
        (None, None) => false,
    };
    if is_ours {
        return Ok(());
    }
    let text = "The form was not sent by a page of this host.";
    Err(Problem::Request(StatusCode::FORBIDDEN, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_host_send_forms() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|&(n, v)| (n.parse().unwrap(), v.parse().unwrap()));
            check_origin(&headers.chain([(HOST, "h:8443".parse().unwrap())]).collect()).is_ok()
        };
        assert!(check(&[("sec-fetch-site", "same-origin"), ("origin", "https://h:8443")]));
        assert!(check(&[("sec-fetch-site", "same-origin")]));
        assert!(check(&[("origin", "https://h:8443")]));
        for refused in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "https://evil.example")],
            &[("origin", "https://h:8444")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://h:8443")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://h.evil.example")],
        ] {
            assert!(!check(refused), "{refused:?}");
        }
    }

    #[test]
    fn a_form_is_kept_without_the_word_of_its_session() {
        let form = Form::parse(b"csrf=secret&name=a+%26+b&x=");
        assert_eq!((form.get("name"), form.get("x"), form.find("y")), ("a & b", "", None));
        assert_eq!(form.encoded(), "name=a+%26+b&x=");
        assert_eq!(Form::parse(form.encoded().as_bytes()).get("name"), "a & b");
    }
}
