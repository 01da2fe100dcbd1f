#![no_main]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use session_limit_core::store::Store;

/// Any file where the store belongs is used, moved aside or refused; a new one works.
fn image(bytes: &[u8]) {
    let directory = std::env::temp_dir().join(format!("psl-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).expect("a directory");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).expect("a mode");
    let path = directory.join("sessions.db");
    fs::write(&path, bytes).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    let store = Store::at(&path);
    let outcome = store.transaction(|tx| {
        let rows = tx.sessions_of(4001)?;
        rows.first().map_or(Ok(()), |row| tx.remove(row))?;
        Ok(rows)
    });
    if !store.take_quarantined().is_empty() {
        assert!(outcome.is_ok_and(|rows| rows.is_empty()));
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| image(bytes));
