//! How the service is configured: asked of a session process, for the front cannot read the file.

use std::path::Path;
use std::time::Duration;

use session_limit_admin::api::statistics::Statistics;
use session_limit_core::model::service_settings::Service;
use session_limit_session::ipc::HolderMessage;

use super::packets::Packets;

/// Where session processes are reached.
pub const SESSION_SOCKET: &str = "/run/session-limitd/session.sock";
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks for the settings. A configuration that is refused is the line that says why.
///
/// # Errors
/// When no session process can be reached.
pub async fn ask() -> Result<Result<Service, String>, String> {
    let question = async {
        let packets = Packets::connect(Path::new(SESSION_SOCKET)).await?;
        packets.ask_settings().await?;
        packets.message().await
    };
    match tokio::time::timeout(DEADLINE, question).await {
        Ok(Ok(Some(HolderMessage::Settings(settings)))) => Ok(settings),
        Ok(Ok(_)) => Err(unreachable("it gave no answer")),
        Ok(Err(error)) => Err(unreachable(&error.to_string())),
        Err(_) => Err(unreachable("no answer within 10 s")),
    }
}

/// Asks for counts.
///
/// # Errors
/// When there are none.
pub async fn statistics() -> Result<Statistics, String> {
    let question = async {
        let packets = Packets::connect(Path::new(SESSION_SOCKET)).await?;
        packets.ask_statistics().await?;
        packets.message().await
    };
    match tokio::time::timeout(DEADLINE, question).await {
        Ok(Ok(Some(HolderMessage::Statistics(statistics)))) => statistics,
        Ok(Ok(_)) => Err(unreachable("it gave no answer")),
        Ok(Err(error)) => Err(unreachable(&error.to_string())),
        Err(_) => Err(unreachable("no answer within 10 s")),
    }
}

fn unreachable(reason: &str) -> String {
    format!(
        "{SESSION_SOCKET}: session processes cannot be reached: {reason}; is session-limit-session.socket active?"
    )
}
