//! What is written about the program says all that the program can do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory;

use session_limit_core::admission::options::Options;
use session_limit_core::config::Config;
use shell::language::grammar::{IN_ATTACHMENT, IN_PROFILE, SyntaxElement, TOP};
use shell::output::exit_code::ExitCode;
use shell::program::args::Args;

use crate::world::SHELL;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Returns what stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_option_is_in_the_page_and_in_the_help() {
    let page = read("man/shell.1");
    let help = Args::command().render_long_help().to_string();
    let mut seen = 0;
    for option in Args::command().get_arguments().filter(|option| !option.is_hide_set()) {
        let Some(long) = option.get_long() else { continue };
        assert!(
            page.contains(&format!("\n.It Fl -{long}")) || page.contains(&format!(", -{long}")),
            "--{long}"
        );
        assert!(help.contains(&format!("--{long}")), "--{long}");
        seen += 1;
    }
    assert!(seen >= 7, "only {seen} options were looked for");
}

#[test]
fn every_command_is_in_the_page() {
    let page = read("man/shell.1");
    let words = |slots: &[SyntaxElement]| -> Vec<&str> {
        slots
            .iter()
            .filter_map(|slot| match slot {
                SyntaxElement::Word(word) => Some(*word),
                _ => None,
            })
            .collect()
    };
    for slots in TOP.iter().map(|form| form.slots) {
        let words = words(slots).join(" ");
        let found = page.contains(&format!(".It Ic {words}"))
            || page.contains(&format!(" , {words}"))
            || (words == "?" && page.contains(".Ic \\&?"));
        assert!(found, "{words}");
    }
    for slots in IN_PROFILE.iter().chain(IN_ATTACHMENT).map(|form| form.slots) {
        let words = words(slots).join(" ");
        let found = [format!("Ic {words}"), format!(".Cm {words}"), format!(".Ic \\&{words}")]
            .iter()
            .any(|way| page.contains(way));
        assert!(found, "{words}");
    }
}

#[test]
fn every_exit_code_is_in_the_page_and_in_the_help() {
    let page = read("man/shell.1");
    let help = Args::command().render_long_help().to_string();
    let codes = help.split("Exit codes:").nth(1).unwrap();
    for exit in ExitCode::ALL {
        let code = exit.code();
        assert!(page.contains(&format!("\n.It {code}\n")), "{code}");
        assert!(codes.contains(&format!(" {code} ")), "{code}");
    }
}

#[test]
fn every_key_of_the_configuration_is_in_its_page() {
    let page = read("man/session-limit.5");
    let mut keys = 0;
    for table in [
        "",
        "[[useraccountprofile]]\n",
        "[[user]]\n",
        "[[group]]\n",
        "[policy]\n",
        "[service]\n",
        "[fleet]\nendpoints = [\"http://localhost\"]\n",
    ] {
        // The reader itself says which keys there are.
        let mistake = Config::parse(&format!("{table}nonsense = 1\n")).unwrap_err();
        for key in quoted(&mistake.message).iter().filter(|key| *key != "nonsense") {
            let ways = [format!("Cm {key}"), format!("[[{key}]]"), format!("[{key}]")];
            assert!(ways.iter().any(|way| page.contains(way)), "{key}");
            keys += 1;
        }
    }
    assert!(keys >= 28, "only {keys} keys were looked for");
}

#[test]
fn every_word_that_a_key_takes_is_in_its_page() {
    let page = read("man/session-limit.5");
    for key in ["on_limit", "on_clear", "tell"] {
        let mistake = Config::parse(&format!("[policy]\n{key} = \"nonsense\"\n")).unwrap_err();
        let (_, expected) = mistake.message.split_once("expected ").unwrap();
        let words: Vec<&str> = expected.split('"').skip(1).step_by(2).collect();
        assert!(words.len() >= 2, "{}", mistake.message);
        for word in words {
            assert!(page.contains(&format!(".Cm {word}")), "{key}: {word}");
        }
    }
}

#[test]
fn every_argument_of_the_module_is_in_its_page() {
    let page = read("man/pam_session_limit.8");
    let complaint = Options::read(&[c"nonsense"]).problems.join("");
    let (_, expected) = complaint.split_once("expected ").unwrap();
    let arguments: Vec<&str> =
        expected.split([' ', ',']).filter(|word| !word.is_empty() && *word != "or").collect();
    assert!(arguments.len() >= 5, "{expected}");
    for argument in arguments {
        let name = argument.split_inclusive('=').next().unwrap();
        assert!(page.contains(&format!(".It Cm {name}")), "{argument}");
    }
}

#[test]
fn the_pages_can_be_read() {
    for page in [
        "shell.1",
        "session-limit.5",
        "pam_session_limit.8",
        "session-limitd.8",
        "session-limit-agent.8",
    ] {
        let mut command = Command::new("man");
        command
            .args(["--warnings=w", "-P", "cat", "-l"])
            .arg(root().join("man").join(page))
            .env("MANWIDTH", "80");
        let Ok(output) = command.stdin(Stdio::null()).output() else {
            eprintln!("SKIPPED: man is not installed");
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{page}: {said}");
        assert!(output.stdout.len() > 1000);
    }
}

#[test]
fn the_completions_are_those_of_this_program() {
    for (shell, file) in [("bash", "shell.bash"), ("zsh", "_shell"), ("fish", "shell.fish")] {
        let printed = Command::new(SHELL).args(["--completions", shell]).output().unwrap();
        let shipped = root().join("packaging/completions").join(file);
        assert!(
            String::from_utf8(printed.stdout).unwrap() == fs::read_to_string(&shipped).unwrap(),
            "out of date: shell --completions {shell} > packaging/completions/{file}"
        );
        // Each shell that is here reads its own.
        match Command::new(shell).arg("-n").arg(&shipped).status() {
            Ok(status) => assert!(status.success(), "{shell} cannot read {file}"),
            Err(_) => eprintln!("SKIPPED: {shell} is not installed"),
        }
    }
}

#[test]
fn bash_completes_commands_and_fields() {
    let script = r#"source "$1"; complete_at() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shell shell "${!#}" "${COMP_WORDS[$COMP_CWORD-1]}"; echo "${COMPREPLY[*]}"; }
        complete_at shell show usera; complete_at shell configure useraccountprofile X max_c; complete_at shell --clear"#;
    let output = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(root().join("packaging/completions/shell.bash"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        said,
        "useraccountprofile useractivity\nmax_concurrent_sessions\n--clear-sessions\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_line_of_the_stacks_has_a_reason_above_it() {
    for stack in ["pam.d/shell", "pam.d/shell-clear-sessions"] {
        let text = read(stack);
        let mut above = "";
        for line in text.lines() {
            if !line.is_empty() && !line.starts_with('#') {
                assert!(above.starts_with('#'), "{stack}: {line}");
            }
            above = line;
        }
    }
}

#[test]
fn the_recipe_in_the_page_is_the_one_that_is_shipped() {
    let page = read("man/shell.1");
    for file in ["packaging/rescue/sshd_config.rescue", "packaging/rescue/sudoers.rescue"] {
        for line in read(file).lines().filter(|line| !line.trim_start().starts_with('#')) {
            assert!(page.contains(&format!("\n{line}\n")), "{line}");
        }
    }
}
