//! What counts, and what the refused client sees.

use crate::host::Host;
use crate::scenario::group;

group!("counting":
    without_a_limit_everybody_gets_in,
);

fn without_a_limit_everybody_gets_in(host: &mut Host) -> String {
    let sessions: Vec<_> = (0..5).map(|_| host.ssh("alice").log_in()).collect();
    host.ssh("alice").is_admitted();
    host.ssh("alice").by_password().is_admitted();
    host.ssh("alice").by_keyboard().is_admitted();
    format!("{} open at once, {} recorded", sessions.len(), host.recorded("alice"))
}
