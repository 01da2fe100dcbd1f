//! The Debian roots: made once by debootstrap, kept outside the repository, never changed afterwards.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::sys;

const CACHE: &str = "/var/cache/pam_session_limit-tests";
const PACKAGES: &str = include_str!("packages.txt");
const PROVISION: &str = include_str!("provision.sh");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    Debian12,
    Debian13,
}

impl Release {
    pub const ALL: [Self; 2] = [Self::Debian12, Self::Debian13];

    pub fn suite(self) -> &'static str {
        match self {
            Self::Debian12 => "bookworm",
            Self::Debian13 => "trixie",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian12 => "debian12",
            Self::Debian13 => "debian13",
        })
    }
}

/// What is missing on this machine for whole-host tests; `None` when they can run.
pub fn obstacle() -> Option<String> {
    if !sys::is_root() {
        return Some("not root: namespaces, mounts and debootstrap need it".to_owned());
    }
    let missing: Vec<&str> = ["debootstrap", "systemd-nspawn", "unshare", "nsenter", "make"]
        .into_iter()
        .filter(|tool| !on_path(tool))
        .collect();
    (!missing.is_empty()).then(|| {
        format!("missing: {} (packaging/apt-test-deps.txt names the packages)", missing.join(", "))
    })
}

fn on_path(tool: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|directory| directory.join(tool).is_file())
    })
}

/// The directory of the release's root, built first if there is none for this package list.
///
/// # Errors
///
/// Why it could not be built, in one line: usually the package mirror is not reachable.
pub fn ready(release: Release) -> Result<PathBuf, String> {
    let packages: Vec<&str> =
        PACKAGES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let key = fingerprint(&[release.suite(), &packages.join(","), PROVISION]);
    let cache = Path::new(CACHE);
    let root = cache.join(format!("{}-{key:016x}", release.suite()));
    fs::create_dir_all(cache).map_err(|error| format!("{CACHE}: {error}"))?;
    // Two runs at once: the second waits for the first one's root. The kernel drops the lock
    // when its holder dies.
    let lock = File::create(cache.join(format!("{}.lock", release.suite())))
        .map_err(|error| format!("{CACHE}: {error}"))?;
    sys::lock(&lock).map_err(|error| format!("{CACHE}: {error}"))?;
    if !root.exists() {
        forget_others(cache, release);
        let unfinished = cache.join(format!("{}.unfinished", release.suite()));
        make(release, &packages, &unfinished)?;
        // The last step: a root that has its final name is whole.
        fs::rename(&unfinished, &root).map_err(|error| format!("{}: {error}", root.display()))?;
    }
    Ok(root)
}

/// Removes what earlier package lists or killed runs left of this release.
fn forget_others(cache: &Path, release: Release) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(release.suite()) && entry.path().is_dir() {
            // A file that stays costs disk, nothing else.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn make(release: Release, packages: &[&str], root: &Path) -> Result<(), String> {
    eprintln!("making the root of {release} (once; about a minute)");
    let log = root.with_extension("log");
    // Namespaces of its own: killed half way, it leaves no process and no mount behind.
    let mut debootstrap = Command::new("unshare");
    debootstrap
        .args(["--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"])
        .arg("debootstrap")
        .arg("--variant=minbase")
        .arg(format!("--include={}", packages.join(",")))
        .arg(release.suite())
        .arg(root);
    logged(&mut debootstrap, &log)?;
    let mut provision = Command::new("chroot");
    provision
        .arg(root)
        .args(["/usr/bin/env", "-i"])
        .arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        .args(["sh", "-c", PROVISION]);
    logged(&mut provision, &log)
}

/// Runs to the end with all output in a file beside the root; the error names that file.
fn logged(command: &mut Command, log: &Path) -> Result<(), String> {
    let open = || {
        File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(|error| format!("{}: {error}", log.display()))
    };
    let status = sys::die_with_this_thread(command)
        .stdin(Stdio::null())
        .stdout(open()?)
        .stderr(open()?)
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        let program = command.get_program().to_string_lossy().into_owned();
        Err(format!("{program} ended with {status}, see {}", log.display()))
    }
}

/// FNV-1a: short, and the same on every machine and compiler.
fn fingerprint(parts: &[&str]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
