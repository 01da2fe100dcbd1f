//! F6: every allocation of a hook fails, one after the other.

use testkit::{code, example, sqlite};

use super::system_calls::{campaign_on, marked_host};
use crate::{amount, damaged_files, figure};

#[test]
fn f6_out_of_memory_is_an_error_or_a_clean_abort_and_never_lets_in() {
    if cfg!(not(target_env = "gnu")) {
        return crate::skipped("F6", "needs glibc's own names of malloc");
    }
    let host = marked_host()
        .with_environment("LD_PRELOAD", example("libpreload_shim.so").to_str().unwrap());
    let all = campaign_on(&host, "allocation", amount(7, 1), 1);
    assert_eq!(damaged_files(&host), Vec::<String>::new());
    assert_eq!(sqlite(&host.state(), "PRAGMA integrity_check"), "ok");
    let _first = host.logged_in("marked", "alice");
    let _second = host.logged_in("marked", "alice");
    assert_eq!(host.login("marked", "alice").log_in(), code::PERM_DENIED);
    figure(
        "F6",
        format!(
            "{} allocations failed: {} clean aborts, otherwise an error or the usual decision; no login \
             was let in uncounted",
            all.cases, all.aborted
        ),
    );
}
