//! Holds the process that keeps the history, and starts another one when it has ended.

use std::path::Path;
use std::time::Duration;

use crate::calls::App;
use crate::sessions::{Packets, SESSION_SOCKET};

/// How long to wait before another process is started.
const PAUSE: Duration = Duration::from_secs(60);

/// Goes on for as long as the service runs. What a login or a call needs does not hang on it.
pub async fn run(app: App) {
    loop {
        if app.settings().service.history_days > 0 {
            if let Err(error) = hold().await {
                crate::log::line(&format!(
                    "{SESSION_SOCKET}: no process keeps the history: {error}; tried again in a minute"
                ));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Starts the process and waits until it ends. It takes its samples by itself.
async fn hold() -> std::io::Result<()> {
    let packets = Packets::connect(Path::new(SESSION_SOCKET)).await?;
    packets.start_sampler().await?;
    packets.closed().await;
    Ok(())
}
