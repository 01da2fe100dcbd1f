//! What is asked of the acting user's own account: another password. It is carried out where PAM is.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroize;

use crate::error::AdminError;

/// The longest password that is read, as that of a login.
const MAX_BYTES: usize = 512;

/// What only the process that holds a session knows of its user's password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnPassword {
    /// Whether it has to be changed before anything else can be called.
    pub is_expired: bool,
    /// Whether it is one of this host, in `/etc/shadow`.
    pub is_local: bool,
}

/// The body of a call that changes the acting user's password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasswordChange {
    /// The password in use.
    pub old_password: String,
    /// The new one.
    pub password: String,
}

impl PasswordChange {
    /// Reads a body.
    ///
    /// # Errors
    /// The field that is missing, unknown or not valid.
    pub fn read(body: Value) -> Result<Self, AdminError> {
        let Value::Object(fields) = body else {
            return Err(AdminError::field("password", "expected old_password and password"));
        };
        let mut change = Self { old_password: String::new(), password: String::new() };
        for (name, value) in fields {
            let field = match name.as_str() {
                "old_password" => &mut change.old_password,
                "password" => &mut change.password,
                _ => return Err(AdminError::field(&name, "expected old_password or password")),
            };
            match value {
                Value::String(text) => *field = text,
                _ => return Err(AdminError::field(&name, "expected text")),
            }
        }
        change.check()?;
        Ok(change)
    }

    /// Makes the change that a form asks for.
    ///
    /// # Errors
    /// The field that is not valid.
    pub fn new(old_password: String, password: String) -> Result<Self, AdminError> {
        let change = Self { old_password, password };
        change.check()?;
        Ok(change)
    }

    fn check(&self) -> Result<(), AdminError> {
        for (name, text) in [("old_password", &self.old_password), ("password", &self.password)] {
            if text.is_empty() || text.len() > MAX_BYTES || text.contains('\0') {
                let expected = format!("expected text of 1 to {MAX_BYTES} bytes without NUL");
                return Err(AdminError::field(name, &expected));
            }
        }
        Ok(())
    }
}

impl Drop for PasswordChange {
    fn drop(&mut self) {
        self.old_password.zeroize();
        self.password.zeroize();
    }
}

/// No password gets into a log.
impl fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordChange")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_passwords_are_needed_and_nothing_else() {
        let good = PasswordChange::read(json!({"old_password": "a", "password": "b"})).unwrap();
        assert_eq!((good.old_password.as_str(), good.password.as_str()), ("a", "b"));
        assert_eq!(format!("{good:?}"), "PasswordChange");
        for (body, field) in [
            (json!({"password": "b"}), "old_password"),
            (json!({"old_password": "a"}), "password"),
            (json!({"old_password": "a", "password": 5}), "password"),
            (json!({"old_password": "a", "password": "b\u{0}"}), "password"),
            (json!({"old_password": "a", "password": "b", "email": "x"}), "email"),
            (json!({"old_password": "x".repeat(513), "password": "b"}), "old_password"),
            (json!([]), "password"),
        ] {
            let error = PasswordChange::read(body).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field));
        }
    }
}
