//! How PAM services differ from a plain login.

/// How a service uses PAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// One user from the first phase to the last, one session of that user's.
    Login,
    /// Switches the user inside a login: its processes belong to that login.
    UserSwitch,
    /// A switch whose account phase names the *invoking* user, not the target.
    UserSwitchCheckedAtOpen,
    /// A login that may be opened inside another one: logind scope and audit session of its processes
    /// are those of the login it was started from.
    NestedLogin,
    /// A login through a service of ours: the process that holds the session is all of it. Audit session
    /// and logind scope are those of the user who started the service.
    ServiceLogin,
}

impl ServiceKind {
    /// Returns whether such a login is never part of another one.
    #[must_use]
    pub fn stands_alone(self) -> bool {
        matches!(self, Self::Login | Self::ServiceLogin)
    }
}

/// Returns how `service` uses PAM: the one list of services that are not plain logins.
///
/// su-l and sudo-i are the names these programs use for login shells.
#[must_use]
pub fn service_kind(service: &str) -> ServiceKind {
    match service {
        "sudo" | "sudo-i" => ServiceKind::UserSwitchCheckedAtOpen,
        "su" | "su-l" | "runuser" | "runuser-l" | "doas" | "systemd-run0" => {
            ServiceKind::UserSwitch
        }
        "shell" => ServiceKind::NestedLogin,
        other if other.starts_with("shell-") => ServiceKind::NestedLogin,
        "session-limitd" | "session-limitd-clear-sessions" => ServiceKind::ServiceLogin,
        _ => ServiceKind::Login,
    }
}

/// Returns whether messages to the user must be one line each: these callers hand a message on inside a
/// line of JSON, or show it in a label.
///
/// cockpit-ws 337 answers 500 to a message with a line break, and to a second message.
#[must_use]
pub fn wants_one_line(service: &str) -> bool {
    const GREETERS: [&str; 6] = ["cockpit", "lightdm", "sddm", "lxdm", "xdm", "polkit-1"];
    GREETERS.contains(&service) || service.starts_with("gdm")
}

/// Returns whether a message to a user who is let in reaches a person, and nothing else.
///
/// sshd shows what a module says at the opening on a terminal that it has made, before the shell starts, and
/// drops it for scp, sftp and commands. su, sudo and runuser write it to standard output, which may be that of
/// a script. cockpit and greeters show only errors.
#[must_use]
pub fn may_be_notified(service: &str) -> bool {
    matches!(service_kind(service), ServiceKind::Login | ServiceKind::NestedLogin)
        && !wants_one_line(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_command_line_logs_in_inside_a_login() {
        for service in ["shell", "shell-clear-sessions"] {
            assert_eq!(service_kind(service), ServiceKind::NestedLogin);
        }
        for service in ["sshd", "sshd-clear-sessions", "login", "shellx", "session-limitdx"] {
            assert_eq!(service_kind(service), ServiceKind::Login);
        }
        for service in ["session-limitd", "session-limitd-clear-sessions"] {
            assert_eq!(service_kind(service), ServiceKind::ServiceLogin);
            assert!(service_kind(service).stands_alone());
        }
    }

    #[test]
    fn json_and_graphical_callers_get_one_line() {
        for service in ["cockpit", "gdm-password", "lightdm"] {
            assert!(wants_one_line(service), "{service}");
        }
        for service in ["sshd", "login", "shell", "cockpit-x"] {
            assert!(!wants_one_line(service), "{service}");
        }
    }

    #[test]
    fn programs_that_write_to_the_output_of_a_command_say_nothing() {
        for service in ["sshd", "sshd-clear-sessions", "login", "remote", "shell"] {
            assert!(may_be_notified(service), "{service}");
        }
        for service in ["su", "su-l", "sudo", "runuser", "systemd-run0", "cockpit", "gdm-password"]
        {
            assert!(!may_be_notified(service), "{service}");
        }
    }
}
