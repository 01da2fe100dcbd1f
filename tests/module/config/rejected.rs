//! Configurations that are rejected: the exact message of each, and the module's return code.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use session_limit_core::config::{Config, ConfigError};
use testkit::{Stack, code};

use super::rejected_texts::TEXTS;
use crate::host;

fn message(path: &Path) -> String {
    Config::load(path).err().as_ref().map_or_else(|| "accepted".to_owned(), ConfigError::to_string)
}

#[test]
fn every_problem_in_the_text_has_its_message() {
    let host = host();
    for (text, expected) in TEXTS {
        fs::write(host.config(), text).unwrap();
        let expected = format!("{}:{expected}", host.config().display());
        assert_eq!(message(&host.config()), expected, "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a_rejected_file_is_a_service_error_that_the_shipped_lines_ignore() {
    let host = host();
    host.stack("fail-closed", &Stack::both().control("required"));
    for (text, _) in TEXTS {
        fs::write(host.config(), text).unwrap();
        let mut login = host.login("fail-closed", "alice");
        assert_eq!((login.acct(), login.open()), (code::SERVICE_ERR, code::SERVICE_ERR));
        assert_eq!(login.said(), []);
        assert_eq!(host.login("login", "alice").log_in(), 0);
    }
}

#[test]
fn unusual_files_that_are_valid() {
    let host = host();
    for text in [
        "",
        "\n\n",
        "# nothing\n",
        "\u{feff}# a byte order mark\n",
        "[policy]\r\non_limit = \"ask\"\r\n",
    ] {
        fs::write(host.config(), text).unwrap();
        assert_eq!(message(&host.config()), "accepted", "{text:?}");
    }
}

#[test]
fn files_that_are_not_safe_regular_files_are_rejected() {
    let host = host();
    let path = host.config();
    let expect = |what: &str| {
        assert_eq!(message(&path), format!("{}: {what}", path.display()));
        host.stack("fail-closed", &Stack::both().control("required"));
        assert_eq!(host.login("fail-closed", "alice").acct(), code::SERVICE_ERR, "{what}");
        if path.is_dir() {
            fs::remove_dir(&path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).unwrap();
        }
    };
    fs::remove_file(&path).unwrap();
    expect("no such file, expected the configuration named by config=");

    fs::create_dir(&path).unwrap();
    expect("is a directory, expected a regular file");

    fs::write(host.path("real.toml"), "").unwrap();
    symlink(host.path("real.toml"), &path).unwrap();
    expect("is a symbolic link, expected a regular file");

    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    expect("is not a regular file, expected one");

    let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    expect("is not a regular file, expected one");

    for (mode, shown) in [(0o666, "0666"), (0o664, "0664"), (0o646, "0646"), (0o4777, "4777")] {
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        expect(&format!("has mode {shown}, expected one that only its owner can write to (0644)"));
    }

    fs::write(&path, "").unwrap();
    std::os::unix::fs::chown(&path, Some(4001), None).unwrap();
    expect("is owned by uid 4001, expected root");

    fs::write(&path, vec![b'#'; 2 * 1024 * 1024]).unwrap();
    expect("has 2097152 bytes, expected at most 1048576");
}
