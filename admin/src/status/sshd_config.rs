//! sshd's configuration read from its files, for when sshd cannot be asked (sshd_config(5)).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::HostFiles;
use super::stack::text_of;

/// Relative names in `Include` count from here.
const DIRECTORY: &str = "/etc/ssh";
/// `SERVCONF_MAX_DEPTH` of OpenSSH: includes nest so deep.
const MAX_DEPTH: usize = 16;
/// Files that are read; no configuration comes near it.
const MAX_FILES: usize = 256;

/// What the files say.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SshdConfig {
    /// Keywords in lower case with their values, for all connections: the first one holds.
    pub settings: BTreeMap<String, String>,
    /// Values of `PAMServiceName` in `Match` blocks, for some connections.
    pub services_of_some: Vec<String>,
}

/// Reads the configuration that begins with `file`.
///
/// # Errors
/// Says which file cannot be read.
pub fn read(host: &HostFiles, file: &Path) -> Result<SshdConfig, String> {
    let mut config = SshdConfig::default();
    let mut files = 0;
    load(host, file, &mut config, &mut files, (0, false))?;
    Ok(config)
}

fn load(
    host: &HostFiles,
    file: &Path,
    config: &mut SshdConfig,
    files: &mut usize,
    (depth, in_match): (usize, bool),
) -> Result<(), String> {
    *files += 1;
    if depth > MAX_DEPTH || *files > MAX_FILES {
        return Err(format!("{} is included too deep", file.display()));
    }
    // A Match block ends with the file that it stands in.
    let mut in_match = in_match;
    for line in text_of(host, file)?.lines() {
        let Some((keyword, value)) = setting(line) else { continue };
        match keyword.as_str() {
            "match" => in_match = !value.eq_ignore_ascii_case("all"),
            "include" => {
                for name in value.split_whitespace() {
                    for included in expand(host, name.trim_matches('"')) {
                        load(host, &included, config, files, (depth + 1, in_match))?;
                    }
                }
            }
            "pamservicename" if in_match => config.services_of_some.push(value),
            _ if in_match => {}
            _ => {
                config.settings.entry(keyword).or_insert(value);
            }
        }
    }
    Ok(())
}

/// Reads `Keyword value`, or `Keyword=value`.
fn setting(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let end = line.find(|c: char| c.is_whitespace() || c == '=')?;
    let (keyword, rest) = line.split_at(end);
    if keyword.starts_with('#') {
        return None;
    }
    let value = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
    let value = value.split(" #").next().unwrap_or(value).trim().trim_matches('"');
    Some((keyword.to_ascii_lowercase(), value.to_owned()))
}

/// Returns the files that a name in `Include` means; `*` in its last part stands for any text, as in
/// glob(7).
fn expand(host: &HostFiles, name: &str) -> Vec<PathBuf> {
    let path = Path::new(DIRECTORY).join(name);
    let pattern = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some((start, end)) = pattern.split_once('*') else {
        return if host.at(&path).is_file() { vec![path] } else { Vec::new() };
    };
    let directory = path.parent().unwrap_or(Path::new(DIRECTORY));
    let fits = |name: &String| {
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    };
    let names = host.names_in(&directory.to_string_lossy());
    names.into_iter().filter(fits).map(|name| directory.join(name)).collect()
}
