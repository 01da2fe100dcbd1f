//! Writes the results into docs/host-tests.md, below the mark, when the run is asked to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::runner::{Results, Verdict};
use crate::scenarios;

const MARK: &str = "<!-- `make host-table` writes what follows. -->\n";

/// `HOST_TESTS_TABLE` names the file.
pub fn write_if_asked(results: &Results) {
    let Some(path) = std::env::var_os("HOST_TESTS_TABLE") else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let head = text.split(MARK).next().unwrap_or_default();
    std::fs::write(&path, format!("{head}{MARK}{}", table(results))).unwrap();
}

fn table(results: &Results) -> String {
    let mut text = String::new();
    for group in scenarios::ALL {
        write!(
            text,
            "\n### {}\n\n| scenario | Debian 12 | Debian 13 |\n|---|---|---|\n",
            group.name
        )
        .unwrap();
        for scenario in group.scenarios {
            let cells: BTreeMap<&str, String> = ["bookworm", "trixie"]
                .into_iter()
                .map(|suite| (suite, cell(results.get(&(group.name, scenario.name, suite)))))
                .collect();
            let sentence = scenario.name.replace('_', " ");
            writeln!(text, "| {sentence} | {} | {} |", cells["bookworm"], cells["trixie"]).unwrap();
        }
    }
    text
}

fn cell(verdict: Option<&Verdict>) -> String {
    match verdict {
        Some(Verdict::Held(figure)) => format!("held: {figure}"),
        Some(Verdict::Broken(_)) => "**not held**".to_owned(),
        Some(Verdict::Skipped(_)) | None => "not run".to_owned(),
    }
}
