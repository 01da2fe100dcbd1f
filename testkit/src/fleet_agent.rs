//! The agent of a fleet, played: it answers each request with a text.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Answers each request that comes to `socket` with what `answer` makes of its words, until the process ends. The agent
/// that was played there before is asked no more.
///
/// # Panics
///
/// If it cannot listen there.
pub fn play_agent(socket: &Path, answer: impl Fn(&[&str]) -> String + Send + 'static) {
    let _former = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut line = String::new();
            BufReader::new(&socket).read_line(&mut line).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            let _ = socket.write_all(answer(&words).as_bytes());
        }
    });
}
