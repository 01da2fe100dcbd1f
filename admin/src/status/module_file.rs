//! Whether the module lies where libpam looks for it.

use std::path::{Path, PathBuf};

use super::services::ServiceStacks;
use super::stack::MODULE;
use super::{Check, Findings, HostFiles};

/// A module that comes with libpam: it lies where libpam looks.
const BESIDE: &str = "pam_permit.so";

/// Says whether the module is where the lines look for it.
pub fn check(host: &HostFiles, services: &[ServiceStacks]) -> Check {
    let mut findings = Findings::default();
    let mut absolute: Vec<&str> = services
        .iter()
        .flat_map(ServiceStacks::lines)
        .map(|(_, line)| line.path.as_str())
        .filter(|path| path.starts_with('/'))
        .collect();
    absolute.sort_unstable();
    absolute.dedup();
    for path in &absolute {
        match host.at(Path::new(path)).is_file() {
            true => findings.ok(format!("{path} is there, as some lines name it")),
            false => {
                findings.problem(format!("{path}, which some lines name, is missing: install it"))
            }
        }
    }
    let directories = module_directories(host);
    let has = |directory: &PathBuf, name| host.at(&directory.join(name)).is_file();
    let places: Vec<&PathBuf> = directories.iter().filter(|dir| has(dir, MODULE)).collect();
    let Some(home) = home(&directories, |dir| has(dir, BESIDE)) else {
        match places.first() {
            Some(place) => findings.warning(format!(
                "{} holds it, but where libpam looks could not be found out",
                place.display()
            )),
            None => findings.problem(format!("{MODULE} was found nowhere: run `make install`")),
        }
        return findings.into_check("module", MODULE);
    };
    let path = home.join(MODULE);
    match places.first() {
        _ if places.contains(&home) => match is_shared_object(&host.at(&path)) {
            true => findings.ok(format!("{} is where libpam looks", path.display())),
            false => findings.problem(format!(
                "{} is not a shared object: install the module again",
                path.display()
            )),
        },
        // Lines with a path of their own need none.
        None if !absolute.is_empty() => {}
        Some(elsewhere) => findings.problem(format!(
            "it lies in {}, but libpam looks in {}: install it with PAMDIR={}",
            elsewhere.display(),
            home.display(),
            home.display()
        )),
        None => findings.problem(format!(
            "{} is missing: the lines have no effect until it is installed",
            path.display()
        )),
    }
    findings.into_check("module", MODULE)
}

/// The directories that libpam is built to look in, on one distribution or another.
fn module_directories(host: &HostFiles) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    for library in ["/usr/lib", "/lib"] {
        for name in host.names_in(library) {
            // Debian's multiarch directories: x86_64-linux-gnu.
            if name.contains("-linux-") {
                directories.push(Path::new(library).join(name).join("security"));
            }
        }
    }
    for plain in ["/usr/lib64/security", "/lib64/security", "/usr/lib/security", "/lib/security"] {
        directories.push(PathBuf::from(plain));
    }
    directories
}

/// Returns the directory of libpam's own modules: of several, that of this program's architecture.
fn home(directories: &[PathBuf], is_libpams: impl Fn(&PathBuf) -> bool) -> Option<&PathBuf> {
    let native = match std::env::consts::ARCH {
        "x86" => "i386-linux-",
        "x86_64" => "x86_64-linux-",
        "aarch64" => "aarch64-linux-",
        "arm" => "arm-linux-",
        "riscv64" => "riscv64-linux-",
        "powerpc64" => "powerpc64le-linux-",
        "s390x" => "s390x-linux-",
        other => other,
    };
    let mut candidates = directories.iter().filter(|directory| is_libpams(directory));
    let is_native = |directory: &&PathBuf| directory.to_string_lossy().contains(native);
    candidates.clone().find(is_native).or_else(|| candidates.next())
}

/// Returns whether the file begins as an ELF file does (elf(5)).
fn is_shared_object(path: &Path) -> bool {
    use std::io::Read;
    let mut magic = [0; 4];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic == *b"\x7fELF"
}
