//! The configuration as a login takes it in: read and checked once, then kept in a form without syntax.
//!
//! To read TOML was a fifth of what a login pays, and the file changes once a month. So whoever has read
//! it leaves the result beside the store, with what the file was like; later logins take that for as
//! long as the file is still so. Nothing depends on it: where it is missing, damaged or of another
//! version, or cannot be written, the file itself is read.
//!
//! It also says in which boot it was written. Where a reboot would have emptied it, that is this one, and
//! nobody need ask the kernel.

use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{self, Config, ConfigError};
use crate::last::Last;
use crate::model::policy::{Attachment, OnClear, OnLimit, Policy, Profile};
use crate::process;
use crate::store::Store;
use crate::store::secure_file;
use crate::system::{self, SignalsHeld};

/// What the kept file is called, behind the name of the database.
const SUFFIX: &str = "-config";
/// What it begins with: another version's means nothing.
const WRITER: &str = concat!("pam_session_limit ", env!("CARGO_PKG_VERSION"), ", configuration, 2");
/// Bytes of the longest kept file that is read.
const MAX_BYTES: u64 = 4 * config::MAX_BYTES;

/// Returns the configuration in the file at `path`; without one that in the default file, which may be
/// missing.
///
/// # Errors
///
/// Those of [`Config::load`].
pub fn load(path: Option<&Path>, store: &Store) -> Result<Arc<Config>, ConfigError> {
    static LAST: Last<Compiled> = Last::none();
    let file = path.unwrap_or(Path::new(config::DEFAULT_PATH));
    if let Some(stamp) = Stamp::at(file) {
        let is_it = |compiled: &Compiled| compiled.stamp == stamp && compiled.path == file;
        // From an earlier phase of the same login.
        if let Some(config) = LAST.look(|last| is_it(last).then(|| Arc::clone(&last.config))) {
            return Ok(config);
        }
        if let Some(kept) = Compiled::kept_beside(store).filter(is_it) {
            let config = Arc::clone(&kept.config);
            LAST.keep(kept);
            return Ok(config);
        }
    }
    let (config, meta) = Config::read(path)?;
    let config = Arc::new(config);
    if let Some(stamp) = meta.and_then(|meta| Stamp::of(&meta)) {
        // Best effort, all of it: the next login reads the file again.
        if let Ok(boot_id) = process::boot_id() {
            let (path, config) = (file.to_owned(), Arc::clone(&config));
            let compiled = Compiled { path, stamp, config, boot_id };
            let _ = compiled.keep_beside(store);
            LAST.keep(compiled);
        }
    }
    Ok(config)
}

/// What changes when a file is written, replaced, or given another owner or mode.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    /// Device, inode, length.
    file: [u64; 3],
    /// Time of the last change of its text, and of anything: seconds and nanoseconds.
    times: [i64; 4],
}

impl Stamp {
    fn at(path: &Path) -> Option<Self> {
        Self::of(&fs::symlink_metadata(path).ok()?)
    }

    /// Returns the stamp of a file where every later change must show.
    ///
    /// Not of one that was changed just now: file systems note the time in steps of milliseconds, some
    /// of a second or two. Not of another's than root's: that one is good for its owner only.
    fn of(meta: &Metadata) -> Option<Self> {
        let is_settled = system::epoch_seconds().saturating_sub(meta.ctime()) > 2;
        (is_settled && meta.is_file() && meta.uid() == 0).then(|| Self {
            file: [meta.dev(), meta.ino(), meta.len()],
            times: [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()],
        })
    }
}

/// A configuration that was read and checked, and what its file was like then.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Compiled {
    path: PathBuf,
    stamp: Stamp,
    config: Arc<Config>,
    /// The boot in which it was read.
    boot_id: String,
}

impl Compiled {
    /// Reads what is kept beside the store. Whatever is wrong with it, the file itself is good.
    fn kept_beside(store: &Store) -> Option<Self> {
        let (mut file, meta) = secure_file::open(&store.beside(SUFFIX)?).ok()??;
        let length = usize::try_from(meta.len()).ok().filter(|_| meta.len() <= MAX_BYTES)?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes).ok()?;
        let kept = Self::decode(std::str::from_utf8(&bytes).ok()?)?;
        // A reboot would have emptied it.
        if system::is_in_memory(&file) {
            process::know_boot_id(&kept.boot_id);
        }
        Some(kept)
    }

    /// Keeps it for the next login, unless a good one of another file is kept: two stacks that name two
    /// files would otherwise take turns in writing.
    fn keep_beside(&self, store: &Store) -> io::Result<()> {
        // A line or a tab would end the field.
        let is_plain = self.path.to_str().is_some_and(|path| !path.contains(char::is_control));
        let Some(place) = store.beside(SUFFIX).filter(|_| is_plain) else { return Ok(()) };
        let is_of_use = |kept: &Self| {
            kept.path != self.path && Stamp::at(&kept.path).as_ref() == Some(&kept.stamp)
        };
        if Self::kept_beside(store).as_ref().is_some_and(is_of_use) {
            return Ok(());
        }
        // A file size limit must not end the host.
        let _signals = SignalsHeld::new();
        // Without a name until it is whole: nobody meets a part of it, and a kill leaves nothing.
        let mut file: File = OpenOptions::new()
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_TMPFILE)
            .open(place.parent().unwrap_or(Path::new("/")))?;
        file.write_all(self.encode().as_bytes())?;
        match fs::remove_file(&place) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => system::link_unnamed(&file, &place),
        }
    }

    /// Writes one line for each thing, a tab between its fields: no name holds either.
    fn encode(&self) -> String {
        let Config { profiles, users, groups, policy } = &*self.config;
        let mut text = format!("boot\t{}\nfile\t{}", self.boot_id, self.path.display());
        let Stamp { file: [device, inode, length], times: [modified, m_ns, changed, c_ns] } =
            self.stamp;
        text += &format!("\t{device}\t{inode}\t{length}\t{modified}\t{m_ns}\t{changed}\t{c_ns}");
        for profile in profiles {
            let Profile {
                uuid,
                name,
                max_password_history_count,
                max_login_failure_count,
                account_lock_timeout,
                max_concurrent_sessions,
                credentials_timeout_threshold,
            } = profile;
            let uuid = uuid.as_deref().unwrap_or_default();
            text += &format!(
                "\nprofile\t{name}\t{uuid}\t{max_password_history_count}\t{max_login_failure_count}\t\
                 {account_lock_timeout}\t{max_concurrent_sessions}\t{credentials_timeout_threshold}"
            );
        }
        for (kind, attachments) in [("user", users), ("group", groups)] {
            for Attachment { name, user_profile } in attachments {
                text += &format!("\n{kind}\t{name}\t{user_profile}");
            }
        }
        let Policy { counted_services, on_limit, on_clear, admin_groups } = policy;
        for (kind, names) in [("counted", counted_services), ("admins", admin_groups)] {
            for name in names {
                text += &format!("\n{kind}\t{name}");
            }
        }
        text += &format!(
            "\npolicy\t{}\t{}",
            word(*on_limit, &OnLimit::WORDS),
            word(*on_clear, &OnClear::WORDS)
        );
        format!("{}\n{text}", seal(&text))
    }

    /// Reads what [`Self::encode`] wrote, and nothing else.
    fn decode(text: &str) -> Option<Self> {
        let (sealed, text) = text.split_once('\n')?;
        if sealed != seal(text) {
            return None;
        }
        let (mut boot, mut file, mut policy) = (None, None, None);
        let (mut profiles, mut users, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        let (mut counted_services, mut admin_groups) = (Vec::new(), Vec::new());
        for line in text.split('\n') {
            let mut fields = line.split('\t');
            match fields.next()? {
                "boot" => boot = Some(fields.next()?.to_owned()),
                "file" => {
                    let path = PathBuf::from(fields.next()?);
                    let mut stamp = Stamp { file: [0; 3], times: [0; 4] };
                    for number in &mut stamp.file {
                        *number = fields.next()?.parse().ok()?;
                    }
                    for number in &mut stamp.times {
                        *number = fields.next()?.parse().ok()?;
                    }
                    file = Some((path, stamp));
                }
                "profile" => {
                    let (name, uuid) = (fields.next()?, fields.next()?);
                    let mut number = || fields.next()?.parse().ok();
                    profiles.push(Profile {
                        uuid: Some(uuid.to_owned()).filter(|uuid| !uuid.is_empty()),
                        name: name.to_owned(),
                        max_password_history_count: number()?,
                        max_login_failure_count: number()?,
                        account_lock_timeout: number()?,
                        max_concurrent_sessions: number()?,
                        credentials_timeout_threshold: number()?,
                    });
                }
                kind @ ("user" | "group") => {
                    let attachments = if kind == "user" { &mut users } else { &mut groups };
                    let (name, user_profile) = (fields.next()?.into(), fields.next()?.into());
                    attachments.push(Attachment { name, user_profile });
                }
                "counted" => counted_services.push(fields.next()?.to_owned()),
                "admins" => admin_groups.push(fields.next()?.to_owned()),
                "policy" => {
                    let on_limit = meant_by(fields.next()?, &OnLimit::WORDS)?;
                    policy = Some((on_limit, meant_by(fields.next()?, &OnClear::WORDS)?));
                }
                _ => return None,
            }
        }
        let (boot_id, (path, stamp), (on_limit, on_clear)) = (boot?, file?, policy?);
        let policy = Policy { counted_services, on_limit, on_clear, admin_groups };
        let config = Arc::new(Config { profiles, users, groups, policy });
        Some(Self { path, stamp, config, boot_id })
    }
}

/// Returns the first line: a file that was cut off or changed does not have it.
fn seal(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    format!("{WRITER}, {:016x}", hasher.finish())
}

fn word<T: Copy + PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, meant)| *meant == value).map_or("", |(word, _)| word)
}

fn meant_by<T: Copy>(word: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(known, _)| *known == word).map(|(_, meant)| *meant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    const NAME: &str = "[^\\p{Cc}]{1,12}";

    prop_compose! {
        fn any_profile()(
            uuid: bool, name in NAME, numbers: [u32; 5],
        ) -> Profile {
            let [a, b, c, d, e] = numbers;
            Profile {
                uuid: uuid.then(|| format!("useraccountprofile-{a}")),
                name,
                max_password_history_count: a,
                max_login_failure_count: b,
                account_lock_timeout: c,
                max_concurrent_sessions: d,
                credentials_timeout_threshold: e,
            }
        }
    }

    prop_compose! {
        fn any_attachments()(pairs in prop::collection::vec((NAME, NAME), 0..4)) -> Vec<Attachment> {
            pairs.into_iter().map(|(name, user_profile)| Attachment { name, user_profile }).collect()
        }
    }

    prop_compose! {
        fn any_compiled()(
            boot_id in "[0-9a-f-]{1,36}",
            path in "(/[^\\p{Cc}/]{1,8}){1,3}", (file, times) in any::<([u64; 3], [i64; 4])>(),
            profiles in prop::collection::vec(any_profile(), 0..4),
            users in any_attachments(), groups in any_attachments(),
            counted_services in prop::collection::vec(NAME, 0..4),
            admin_groups in prop::collection::vec(NAME, 0..4),
            (on_limit, on_clear) in (0..3_usize, 0..2_usize),
        ) -> Compiled {
            let (on_limit, on_clear) = (OnLimit::WORDS[on_limit].1, OnClear::WORDS[on_clear].1);
            let policy = Policy { counted_services, on_limit, on_clear, admin_groups };
            let config = Arc::new(Config { profiles, users, groups, policy });
            Compiled { path: path.into(), stamp: Stamp { file, times }, config, boot_id }
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read_back(compiled in any_compiled()) {
            prop_assert_eq!(Compiled::decode(&compiled.encode()), Some(compiled));
        }

        #[test]
        fn what_was_cut_off_or_changed_is_not_read(
            compiled in any_compiled(), at in any::<prop::sample::Index>(), other: char,
        ) {
            let text = compiled.encode();
            let at = at.index(text.chars().count());
            let cut: String = text.chars().take(at).collect();
            prop_assert_eq!(Compiled::decode(&cut), None);
            let changed: String =
                text.chars().enumerate().map(|(i, c)| if i == at { other } else { c }).collect();
            prop_assert!(changed == text || Compiled::decode(&changed).is_none());
        }
    }

    /// Says something else than the file, so that it tells which of the two was read.
    #[test]
    fn what_is_kept_spares_the_reading_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
        let (file, state) = (folder.path().join("config.toml"), folder.path().join("sessions.db"));
        fs::write(&file, "").unwrap();
        let meta = || fs::symlink_metadata(&file).unwrap();
        assert_eq!(Stamp::of(&meta()), None, "not settled yet");
        std::thread::sleep(std::time::Duration::from_millis(3_100));
        let mut config = Config::default();
        config.policy.counted_services = vec!["kept".to_owned()];
        let config = Arc::new(config);
        let stamp = Stamp::of(&meta()).unwrap();
        let (path, boot_id) = (file.clone(), process::boot_id().unwrap());
        let kept = Compiled { path, stamp, config: Arc::clone(&config), boot_id };
        kept.keep_beside(&Store::at(&state)).unwrap();
        assert_eq!(load(Some(&file), &Store::at(&state)), Ok(config));
    }
}
