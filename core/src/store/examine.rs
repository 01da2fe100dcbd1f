//! Looking at the store without a lock, and without making, migrating or moving anything: for those who
//! want to know how it stands.

use super::transaction::{SCHEMA_VERSION, StoreVersion};
use super::{
    Store, StoreError, Transaction, TransactionError, guarded, migration, secure_file, snapshot,
};

/// What there is where the store should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreContent<T> {
    /// No file: no session has been counted since the store was last emptied.
    Absent,
    /// A file without a table, which the next login makes.
    Empty,
    /// A store of this version.
    Present {
        /// `PRAGMA user_version`.
        version: i32,
        /// What was asked for.
        value: T,
    },
    /// A store of an earlier version, whose rows the next login takes over.
    Older(i32),
    /// A transaction is always under way, or was left unfinished; the next login undoes it.
    Unfinished,
    /// The file is damaged, or not ours; says how. The next login moves it aside.
    Damaged(String),
}

impl Store {
    /// Runs `work` on a copy of the store; changes nothing, takes no lock and waits for none.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: files that are not safe to use or cannot be read, or a later version.
    pub fn examine<T>(
        &self,
        work: impl FnOnce(&Transaction) -> Result<T, TransactionError>,
    ) -> Result<StoreContent<T>, StoreError> {
        if !self.exists()? {
            let former = migration::former_path(&self.path).filter(|path| path.exists());
            return Ok(former
                .map_or(StoreContent::Absent, |_| StoreContent::Older(migration::FORMER_VERSION)));
        }
        let Some((file, _)) = secure_file::open(&self.path)? else {
            return Ok(StoreContent::Absent);
        };
        let examined = self.check_journal_mode(&file).and_then(|()| {
            guarded(|| {
                let Some(copy) = snapshot::connection(&self.path)? else {
                    return Ok(StoreContent::Unfinished);
                };
                let copy = Transaction::unchecked(copy, &self.path);
                match copy.version()? {
                    StoreVersion::Empty => Ok(StoreContent::Empty),
                    StoreVersion::Older(version) => Ok(StoreContent::Older(version)),
                    StoreVersion::Present => {
                        Ok(StoreContent::Present { version: SCHEMA_VERSION, value: work(&copy)? })
                    }
                }
            })
        });
        match examined {
            Err(TransactionError::Damaged(reason)) => Ok(StoreContent::Damaged(reason)),
            Err(TransactionError::Store(error)) => Err(error),
            Ok(content) => Ok(content),
        }
    }
}
