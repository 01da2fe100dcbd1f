//! The refused logins that a user may see.

use session_limit_core::refusals::{Recorded, Refusals};

use crate::administration::{Administration, Found};
use crate::error::{AdminError, AdminErrorKind};

impl Administration {
    /// Returns the refused logins of one user, or of all whom the acting user may see, the last one first.
    ///
    /// # Errors
    /// When the acting user may not see them, or the file cannot be used.
    pub fn refusals_of(&self, name: Option<&str>) -> Result<Found<Vec<Recorded>>, AdminError> {
        let known = self.known()?;
        let uid = self.visible_uid(&known.config, name)?;
        let read = Refusals::beside(self.sessions.path()).read(uid);
        let value =
            read.map_err(|error| AdminError::new(AdminErrorKind::Store, error.to_string()))?;
        Ok(known.found(value))
    }
}
