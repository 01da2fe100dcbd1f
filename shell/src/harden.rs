//! Keeps a process with passwords in it out of core dumps, debuggers and swap.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, and users without rights to look into the process.
///
/// # Errors
/// Those of setrlimit(2) and prctl(2).
pub fn no_core() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Locks the memory of the process, present and future: libpam and its modules copy the password.
///
/// Where the limit on locked memory cannot be lifted (a container without `CAP_SYS_RESOURCE`) nothing is locked:
/// a limit met later would make the modules fail.
pub fn lock_memory() {
    let lifted = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
    if lifted.is_ok() {
        // A kernel that refuses all the same leaves the memory as it is.
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    }
}
