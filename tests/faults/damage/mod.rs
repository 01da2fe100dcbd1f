//! F1 to F4, F6: the process is killed or stopped, and every system call and allocation fails.

mod kills;
mod memory;
mod stopped;
mod system_calls;
