//! From when to when a certificate is valid: two times in its DER form (RFC 5280, section 4.1).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// Checks that a certificate is valid at a time. Where its dates cannot be read, clients are left to judge.
///
/// # Errors
/// What is wrong with it.
pub fn check(certificate: &[u8], now: SystemTime) -> Result<(), String> {
    match dates(certificate) {
        Some((from, _)) if now < from => Err("is not valid yet".to_owned()),
        Some((_, until)) if now > until => Err("has expired".to_owned()),
        _ => Ok(()),
    }
}

/// Returns the beginning and the end of the time in which a certificate is valid.
fn dates(certificate: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    if let Some((VERSION, _, behind)) = element(rest) {
        rest = behind;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, validity, _) = element(rest)? else { return None };
    let (kind, from, validity) = element(validity)?;
    let from = time(kind, from)?;
    let (kind, until, _) = element(validity)?;
    Some((from, time(kind, until)?))
}

/// Splits the first element off: its tag, its content, and what is behind.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        length = 0;
        for _ in 0..first & 0x7f {
            let (&byte, behind) = rest.split_first()?;
            length = length.checked_mul(256)?.checked_add(usize::from(byte))?;
            rest = behind;
        }
    }
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

/// Reads `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(kind: u8, text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match kind {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |from: usize| rest.get(from..from + 2)?.parse::<i64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    let seconds = part(4)? * 3600 + part(6)? * 60 + part(8)?;
    let seconds = u64::try_from(days_since_1970(year, month, day) * 86_400 + seconds).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Counts days in the calendar whose year begins in March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((1970, 3, 1), 59),
            ((2000, 2, 29), 11_016),
            ((2026, 11, 25), 20_782),
        ] {
            assert_eq!(days_since_1970(date.0, date.1, date.2), days, "{date:?}");
        }
    }

    #[test]
    fn a_certificate_is_valid_between_its_dates() {
        let mut params = rcgen::CertificateParams::new(["h".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2060, 1, 1);
        let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let at = |seconds| check(certificate.der(), UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(1_577_836_799), Err("is not valid yet".to_owned()));
        assert_eq!((at(1_577_836_800), at(2_840_140_800)), (Ok(()), Ok(())));
        assert_eq!(at(2_840_140_801), Err("has expired".to_owned()));
        assert_eq!(check(b"rubbish", SystemTime::now()), Ok(()));
    }
}
