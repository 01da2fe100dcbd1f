//! What must hold in the module for every input, from a fuzzer, or the bounded runs in
//! `tests/faults`.

use std::ffi::{CStr, CString};

use session_limit_core::admission::options::Options;
use session_limit_core::model::sanitize;
use session_limit_core::process::Stat;

/// Any line is a `/proc/PID/stat` or none, and a name that looks like the rest changes nothing.
pub fn stat(line: &[u8]) {
    let before = Stat::parse(line);
    if !line.contains(&b'(') {
        return;
    }
    let at = line.iter().position(|&b| b == b'(').map_or(0, |at| at + 1);
    let (head, tail) = line.split_at(at);
    if tail.contains(&b')') {
        let longer = [head, b") S 1 1 (", tail].concat();
        assert_eq!(Stat::parse(&longer), before);
    }
}

/// Any words are arguments or problems of one printable line.
pub fn arguments(bytes: &[u8]) {
    let words: Vec<CString> =
        bytes.split(|&b| b == 0).filter_map(|word| CString::new(word).ok()).collect();
    let given: Vec<&CStr> = words.iter().map(CString::as_c_str).collect();
    let read = Options::read(&given);
    assert!(read.state.is_absolute());
    assert!(read.config.is_none_or(|path| path.is_absolute()));
    assert!(read.problems.len() <= given.len());
    for problem in read.problems {
        assert!(!problem.chars().any(char::is_control), "{problem:?}");
    }
}

/// Any bytes become one printable line of bounded length.
pub fn printable(bytes: &[u8]) {
    let text = sanitize::printable(bytes);
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(text.len() <= 10 * sanitize::MAX_BYTES + 3);
}
