//! Text as the commands of the application take it.

use std::ffi::CString;

/// Writes bytes as hexadecimal digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "00".to_owned();
    }
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn from_hex(digits: &str) -> CString {
    let bytes: Vec<u8> = (0..digits.len() / 2)
        .map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("hexadecimal digits"))
        .take_while(|&b| b != 0)
        .collect();
    CString::new(bytes).expect("no NUL")
}
