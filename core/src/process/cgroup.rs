//! Control groups (cgroups(7)): logind's session scopes, and frozen processes.

use std::fs;

/// Returns the path of the logind scope (`session-N.scope`) that `pid` runs in, if it does.
///
/// Any other cgroup holds more than one session: `ssh.service` holds those of all users.
#[must_use]
pub fn session_scope(pid: i32) -> Option<String> {
    paths_of(pid)?.into_iter().map(|(_, path)| path).find(|path| is_session_scope(path))
}

fn is_session_scope(path: &str) -> bool {
    let leaf = path.rsplit('/').next().unwrap_or_default();
    leaf.strip_prefix("session-")
        .and_then(|name| name.strip_suffix(".scope"))
        .is_some_and(|name| !name.is_empty())
}

/// Returns whether `pid` is in a control group that is frozen, itself or by one above it.
#[must_use]
pub fn is_frozen(pid: i32) -> bool {
    paths_of(pid).unwrap_or_default().iter().any(|(controllers, path)| {
        let path = path.trim_start_matches('/');
        let reads = |file: String, what: &str| {
            fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line.trim() == what))
        };
        match controllers.as_str() {
            "" => ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
                .iter()
                .any(|root| reads(format!("{root}/{path}/cgroup.events"), "frozen 1")),
            list if list.split(',').any(|one| one == "freezer") => {
                reads(format!("/sys/fs/cgroup/freezer/{path}/freezer.state"), "FROZEN")
            }
            _ => false,
        }
    })
}

/// Reads `/proc/PID/cgroup`: controllers and path of every hierarchy; version 2 names no controllers.
fn paths_of(pid: i32) -> Option<Vec<(String, String)>> {
    let text = super::read_proc(format!("/proc/{pid}/cgroup")).ok()?;
    Some(paths_in(&String::from_utf8_lossy(&text)))
}

/// Reads lines of `ID:CONTROLLERS:PATH`, version 1, 2 or both.
fn paths_in(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_session_scope_is_a_session_scope() {
        let scope =
            |text| paths_in(text).into_iter().map(|(_, path)| path).find(|p| is_session_scope(p));
        assert_eq!(
            scope("0::/user.slice/user-1000.slice/session-3.scope\n").as_deref(),
            Some("/user.slice/user-1000.slice/session-3.scope")
        );
        assert_eq!(
            scope("4:memory:/x\n1:name=systemd:/user.slice/user-0.slice/session-c12.scope\n0::/\n")
                .as_deref(),
            Some("/user.slice/user-0.slice/session-c12.scope")
        );
        for other in [
            "0::/system.slice/ssh.service\n",
            "0::/user.slice/user-1000.slice/session-.scope\n",
            "0::/user.slice/user-1000.slice/session-3.scope/child\n",
            "0::/\n",
            "",
        ] {
            assert_eq!(scope(other), None, "{other}");
        }
    }

    #[test]
    fn this_process_is_not_frozen() {
        assert!(!is_frozen(crate::system::own_pid()));
        assert!(!is_frozen(i32::MAX));
    }
}
