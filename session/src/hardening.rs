//! Keeps a process with passwords in it out of core dumps, debuggers and swap.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, keeps users without rights from looking into the process, and makes room for
/// locked memory.
///
/// # Errors
/// Those of setrlimit(2) and prctl(2).
pub fn protect() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // A login may come with a limit of nothing; a container may not let its root lift it.
    let _ = lift_memory_limit();
    Ok(())
}

/// Locks the memory of the process, present and future: libpam and its modules copy the password.
///
/// Only where the limit on locked memory is lifted: one met later would make the modules fail.
pub fn lock_memory() {
    if lift_memory_limit().is_ok() {
        // A kernel that refuses all the same leaves the memory as it is.
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    }
}

fn lift_memory_limit() -> io::Result<()> {
    Ok(setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None })?)
}
