//! These tests themselves: nothing of them is left behind, however they end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::host::Host;
use crate::machine::root::{self, Release};
use crate::machine::sys;
use crate::machine::{control_groups_of, descendants};
use crate::scenario::group;
use crate::wait::{seconds, until};

group!("these tests":
    a_killed_run_leaves_no_process_no_mount_and_no_control_group_behind,
);

/// The argument that makes this program boot a host and wait to be killed.
pub const HOLD: &str = "--boot-and-hold";
const HELD: &str = "held";

/// Boots a host and holds it until this process is killed.
pub fn hold(release: Option<String>) -> ! {
    let release = Release::ALL.into_iter().find(|each| Some(each.to_string()) == release).unwrap();
    let host = Host::boot(release, &root::ready(release).unwrap());
    let _session = host.ssh("alice").log_in();
    println!("{HELD}");
    loop {
        std::thread::park();
    }
}

/// The overlays over the host's root that are mounted in this namespace.
fn copies_of(host: &Host) -> Vec<String> {
    let over_root = format!("lowerdir={}", host.root.display());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().filter(|line| line.contains(&over_root)).map(str::to_owned).collect()
}

fn a_killed_run_leaves_no_process_no_mount_and_no_control_group_behind(host: &mut Host) -> String {
    let before = copies_of(host);
    let mut run = Command::new(std::env::current_exe().unwrap());
    run.args([HOLD, &host.release.to_string()]).stdout(Stdio::piped());
    let mut run = sys::die_with_this_thread(&mut run).spawn().unwrap();
    let pid = run.id();
    let mut line = String::new();
    BufReader::new(run.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), HELD);

    let processes = descendants(pid);
    assert!(processes.len() > 10, "{processes:?}");
    assert!(!control_groups_of(pid).is_empty());
    sys::kill(pid, libc::SIGKILL);
    run.wait().unwrap();
    let took = until("the kernel and the guardian have cleaned up", seconds(10), || {
        processes.iter().all(|process| !fs::exists(format!("/proc/{process}")).unwrap())
            && control_groups_of(pid).is_empty()
    });
    // The host's mounts belong to its own namespace. Other overlays, such as the root of a container
    // that runs these tests, are none of this test's business.
    let left: Vec<_> =
        copies_of(host).into_iter().filter(|mount| !before.contains(mount)).collect();
    assert!(left.is_empty(), "{left:#?}");
    format!(
        "{} processes and all control groups gone {:.1} s after SIGKILL",
        processes.len(),
        took.as_secs_f64()
    )
}
