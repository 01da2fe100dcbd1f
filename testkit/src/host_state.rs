//! The state of the application's process that a module could change.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fmt::Write as _;
use std::fs;

/// The state of this process as the kernel and the C library report it, by name.
#[derive(Debug, PartialEq, Eq)]
pub struct HostState(BTreeMap<String, String>);

impl HostState {
    /// Reads the current state.
    #[must_use]
    pub fn now() -> Self {
        let mut all = BTreeMap::new();
        signal_table(&mut all);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        // Not ShdPnd: any process may have sent a signal meanwhile.
        for line in status.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let is_kept = matches!(
                name,
                "Name" | "Umask" | "Uid" | "Gid" | "Groups" | "Threads" | "NoNewPrivs" | "Seccomp"
            ) || (name.starts_with("Sig") && name != "SigQ")
                || name.starts_with("Cap")
                || name.ends_with("_allowed");
            if is_kept {
                all.insert(format!("status {name}"), value.trim().to_owned());
            }
        }
        for name in ["limits", "personality", "oom_score_adj", "coredump_filter", "cgroup"] {
            all.insert(
                name.into(),
                fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default(),
            );
        }
        for name in ["cwd", "root", "ns/mnt", "ns/pid", "ns/net", "ns/user"] {
            let leads_to = fs::read_link(format!("/proc/self/{name}")).unwrap_or_default();
            all.insert(name.into(), leads_to.display().to_string());
        }
        descriptors(&mut all);
        environment(&mut all);
        // SAFETY: a null locale asks for the current one.
        let locale = unsafe { libc::setlocale(libc::LC_ALL, std::ptr::null()) };
        if !locale.is_null() {
            // SAFETY: setlocale returns a terminated string.
            let locale = unsafe { CStr::from_ptr(locale) };
            all.insert("locale".into(), locale.to_string_lossy().into_owned());
        }
        // SAFETY: takes integers.
        let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        all.insert("nice".into(), nice.to_string());
        // SAFETY: takes integers.
        let dumpable = unsafe { libc::prctl(libc::PR_GET_DUMPABLE) };
        all.insert("dumpable".into(), dumpable.to_string());
        for timer in [libc::ITIMER_REAL, libc::ITIMER_VIRTUAL, libc::ITIMER_PROF] {
            // SAFETY: itimerval is plain integers.
            let mut value: libc::itimerval = unsafe { std::mem::zeroed() };
            // SAFETY: `value` is valid to write to.
            unsafe { libc::getitimer(timer, &raw mut value) };
            let is_set = value.it_value.tv_sec != 0 || value.it_value.tv_usec != 0;
            all.insert(format!("timer {timer}"), is_set.to_string());
        }
        Self(all)
    }

    /// Returns what differs, one line each; empty where all is equal to the bit.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> String {
        let mut text = String::new();
        for name in before.0.keys().chain(self.0.keys()).collect::<std::collections::BTreeSet<_>>()
        {
            let (was, is) = (before.0.get(name), self.0.get(name));
            if was != is {
                let _ = writeln!(text, "{name}: was {was:?}, is {is:?}");
            }
        }
        text
    }
}

fn signal_table(all: &mut BTreeMap<String, String>) {
    for signal in 1..=64 {
        // SAFETY: sigaction is plain integers.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: `action` is valid to write to; signals of the C library's own are refused.
        if unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } != 0 {
            continue;
        }
        let mut mask = 0_u64;
        for member in 1..=64 {
            // SAFETY: the set was filled in by the kernel.
            if unsafe { libc::sigismember(&raw const action.sa_mask, member) } == 1 {
                mask |= 1 << (member - 1);
            }
        }
        all.insert(
            format!("signal {signal}"),
            format!("{:x} {:x} {mask:x}", action.sa_sigaction, action.sa_flags),
        );
    }
}

fn descriptors(all: &mut BTreeMap<String, String>) {
    let entries = match fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries,
        // Without memory to look, there is none to report it: end as an application would.
        Err(e) if e.raw_os_error() == Some(libc::ENOMEM) => std::process::abort(),
        Err(_) => return,
    };
    let open: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.file_name()).collect();
    for name in open {
        let name = name.to_string_lossy().into_owned();
        // The directory itself, just read, is gone by now.
        let Ok(leads_to) = fs::read_link(format!("/proc/self/fd/{name}")) else { continue };
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{name}")).unwrap_or_default();
        let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        all.insert(format!("descriptor {name}"), format!("{} {flags}", leads_to.display()));
    }
}

fn environment(all: &mut BTreeMap<String, String>) {
    unsafe extern "C" {
        static environ: *const *const libc::c_char;
    }
    // SAFETY: `environ` is the C library's list.
    let mut at = unsafe { environ };
    let mut text = String::new();
    while !at.is_null() {
        // SAFETY: the list ends with a null pointer, which is not passed.
        let entry = unsafe { *at };
        if entry.is_null() {
            break;
        }
        // SAFETY: entries are terminated strings.
        let _ = writeln!(text, "{}", unsafe { CStr::from_ptr(entry) }.to_string_lossy());
        // SAFETY: the end was not reached.
        at = unsafe { at.add(1) };
    }
    all.insert("environment".into(), text);
}
