//! How old a password may get: the rule of `credentials_timeout_threshold`.
#![forbid(unsafe_code)]

/// Seconds of a day, as shadow(5) counts them: in UTC.
const DAY: i64 = 86_400;
/// Days before the end on which a user is warned where shadow(5) names no other number (`PASS_WARN_AGE` of
/// login.defs(5)).
const DEFAULT_WARNING: i64 = 7;

/// What shadow(5) says of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordDates {
    /// Day of the last change, counted from the epoch; 0 = it must be changed at once.
    pub last_change: i64,
    /// Days before the end on which the user is warned.
    pub warning: Option<i64>,
}

/// How old a password is, compared with what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordAge {
    /// Nothing is to be said.
    Valid,
    /// It has to be changed within so many days.
    ExpiresIn(i64),
    /// It has to be changed now; its age in days.
    Expired(i64),
}

/// Compares the age of a password with `most` days; 0 = it never expires.
///
/// A password may be used for `most` days. The day after, it has expired: the rule of shadow's
/// isexpired(), and of `pam_unix` since Linux-PAM 1.6. One that was changed in the future, by a clock that
/// was wrong, has not expired.
#[must_use]
pub fn password_age(dates: PasswordDates, most: u32, now: i64) -> PasswordAge {
    let most = i64::from(most);
    let age = now.div_euclid(DAY).saturating_sub(dates.last_change);
    let left = most.saturating_sub(age);
    match left {
        _ if most == 0 || age < 0 => PasswordAge::Valid,
        ..=0 => PasswordAge::Expired(age),
        left if left <= dates.warning.unwrap_or(DEFAULT_WARNING) => PasswordAge::ExpiresIn(left),
        _ => PasswordAge::Valid,
    }
}

/// Returns the dates of `user` in the text of shadow(5).
///
/// None where the user has no line, no password that could be changed (locked, or for no login by password at
/// all), or where the line leaves the date of the change open, which turns the age off.
#[must_use]
pub fn dates_in(shadow: &[u8], user: &[u8]) -> Option<PasswordDates> {
    let mut fields = after_password(shadow, user)?;
    let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse::<i64>().ok();
    let last_change = number(fields.next()?).filter(|&day| day >= 0)?;
    // Minimum and maximum are between them.
    let warning = fields.nth(2).and_then(number).filter(|&days| days >= 0);
    Some(PasswordDates { last_change, warning })
}

/// Returns whether `user` has a password in the text of shadow(5) that could be changed.
#[must_use]
pub fn has_password_in(shadow: &[u8], user: &[u8]) -> bool {
    after_password(shadow, user).is_some()
}

/// Returns the fields behind the password; nothing where there is no password that could be changed.
fn after_password<'s>(
    shadow: &'s [u8],
    user: &[u8],
) -> Option<impl Iterator<Item = &'s [u8]> + use<'s>> {
    let mut fields = shadow.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        (fields.next() == Some(user)).then_some(fields)
    })?;
    let hash = fields.next()?;
    (!matches!(hash.first(), None | Some(b'!' | b'*'))).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(last_change: i64, warning: Option<i64>, most: u32, now: i64) -> PasswordAge {
        password_age(PasswordDates { last_change, warning }, most, now)
    }

    #[test]
    fn a_password_is_good_for_the_number_of_days_and_not_one_more() {
        let midnight = 20_000 * DAY;
        assert_eq!(age(19_970, Some(0), 30, midnight - 1), PasswordAge::Valid);
        assert_eq!(age(19_970, Some(0), 30, midnight), PasswordAge::Expired(30));
        assert_eq!(age(19_970, Some(0), 30, midnight + DAY), PasswordAge::Expired(31));
        assert_eq!(age(20_000, None, 1, midnight + DAY - 1), PasswordAge::ExpiresIn(1));
        assert_eq!(age(20_000, None, 1, midnight + DAY), PasswordAge::Expired(1));
        assert_eq!(age(0, None, 30, midnight), PasswordAge::Expired(20_000));
    }

    #[test]
    fn the_warning_comes_in_the_last_days() {
        let now = 20_000 * DAY;
        for (last_change, warning, expected) in [
            (19_970 + 7, None, PasswordAge::ExpiresIn(7)),
            (19_970 + 8, None, PasswordAge::Valid),
            (19_970 + 3, Some(3), PasswordAge::ExpiresIn(3)),
            (19_970 + 4, Some(3), PasswordAge::Valid),
            (19_970 + 1, Some(0), PasswordAge::Valid),
        ] {
            assert_eq!(age(last_change, warning, 30, now), expected, "{last_change}");
        }
    }

    #[test]
    fn off_and_a_wrong_clock_expire_nothing() {
        assert_eq!(age(0, None, 0, 20_000 * DAY), PasswordAge::Valid);
        assert_eq!(age(20_001, None, 1, 20_000 * DAY), PasswordAge::Valid);
        assert_eq!(age(20_000, None, u32::MAX, 20_001 * DAY), PasswordAge::Valid);
        assert_eq!(age(i64::MAX, None, 1, i64::MIN), PasswordAge::Valid);
    }

    #[test]
    fn only_a_password_that_can_be_changed_has_dates() {
        let text: &[u8] = b"root:$y$x:19000:0:99999:7:::\nalice:$y$abc:20000:0:99999:14:::\n\
            bob:!$y$abc:20000:0:99999:7:::\ncarol:*:20000:0:99999:7:::\ndave::20000:0:99999:7:::\n\
            erin:$y$x::0:99999:7:::\nfrank:$y$x:20000\ngrace:$y$x:20000:0:99999::::\nal:x:-1:\nbad";
        let dates = |last_change, warning| Some(PasswordDates { last_change, warning });
        for (user, expected) in [
            ("alice", dates(20_000, Some(14))),
            ("root", dates(19_000, Some(7))),
            ("frank", dates(20_000, None)),
            ("grace", dates(20_000, None)),
            ("bob", None),
            ("carol", None),
            ("dave", None),
            ("erin", None),
            ("al", None),
            ("bad", None),
            ("alic", None),
            ("", None),
        ] {
            assert_eq!(dates_in(text, user.as_bytes()), expected, "{user}");
            // A password whose change has no date can be changed all the same.
            let has_password = expected.is_some() || matches!(user, "erin" | "al");
            assert_eq!(has_password_in(text, user.as_bytes()), has_password, "{user}");
        }
    }
}
