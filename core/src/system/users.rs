//! Users and groups, from the host's name services (getpwnam(3), getgrouplist(3)).

use std::ffi::{CStr, CString};
use std::io;

/// Bytes of the largest name service answer that is read: a group of millions of members.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// Groups of the longest membership list that is read; `NGROUPS_MAX` of Linux.
const MAX_GROUPS: usize = 65536;

/// A user of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As the application spelled the name; name services may ignore case.
    pub typed: CString,
    /// As the name service spells it.
    pub name: CString,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
}

impl User {
    /// Looks `name` up; `None` means that there is no such user.
    ///
    /// # Errors
    ///
    /// The name service failed, so that nothing is known.
    pub fn named(name: &CStr) -> io::Result<Option<Self>> {
        let found = user_entry(|entry, buffer, found| {
            // SAFETY: `name` is terminated; entry, buffer (with its length) and `found` are valid
            // to write to and outlive the call.
            unsafe {
                libc::getpwnam_r(name.as_ptr(), entry, buffer.as_mut_ptr(), buffer.len(), found)
            }
        })?;
        Ok(found.map(|user| Self { typed: name.to_owned(), ..user }))
    }

    /// Looks the user with this id up; `None` means that there is no such user.
    ///
    /// # Errors
    ///
    /// The name service failed, so that nothing is known.
    pub fn with_uid(uid: u32) -> io::Result<Option<Self>> {
        user_entry(|entry, buffer, found| {
            // SAFETY: entry, buffer (with its length) and `found` are valid to write to and outlive
            // the call.
            unsafe { libc::getpwuid_r(uid, entry, buffer.as_mut_ptr(), buffer.len(), found) }
        })
    }

    /// Returns whether `name` means this user: as typed, or as the name service spells it.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        name.as_bytes() == self.name.as_bytes() || name.as_bytes() == self.typed.as_bytes()
    }

    /// Returns the ids of the user's groups, the primary one among them.
    ///
    /// # Errors
    ///
    /// The list is longer than any kernel allows.
    pub fn groups(&self) -> io::Result<Vec<u32>> {
        let mut groups: Vec<libc::gid_t> = vec![0; 64];
        loop {
            let mut count = libc::c_int::try_from(groups.len()).unwrap_or(libc::c_int::MAX);
            // SAFETY: the name is terminated; `groups` has room for `count` ids; both are valid to
            // write to.
            let done = unsafe {
                libc::getgrouplist(
                    self.name.as_ptr(),
                    self.gid,
                    groups.as_mut_ptr(),
                    &raw mut count,
                )
            };
            let count = usize::try_from(count).unwrap_or(0);
            if done >= 0 {
                groups.truncate(count);
                return Ok(groups);
            }
            let larger = count.max(groups.len() * 2);
            if larger > MAX_GROUPS {
                return Err(io::Error::other(format!("more than {MAX_GROUPS} groups")));
            }
            groups.resize(larger, 0);
        }
    }
}

/// Returns the id of the group called `name`; `None` means that there is no such group.
///
/// # Errors
///
/// The name service failed, so that nothing is known.
pub fn group_id(name: &CStr) -> io::Result<Option<u32>> {
    group_entry(|entry, buffer, found| {
        // SAFETY: `name` is terminated; entry, buffer (with its length) and `found` are valid to
        // write to and outlive the call.
        unsafe { libc::getgrnam_r(name.as_ptr(), entry, buffer.as_mut_ptr(), buffer.len(), found) }
    })
    .map(|group| group.map(|(id, _)| id))
}

/// Returns the name of the group with this id; `None` means that there is no such group.
///
/// # Errors
///
/// The name service failed, so that nothing is known.
pub fn group_name(gid: u32) -> io::Result<Option<CString>> {
    group_entry(|entry, buffer, found| {
        // SAFETY: entry, buffer (with its length) and `found` are valid to write to and outlive the
        // call.
        unsafe { libc::getgrgid_r(gid, entry, buffer.as_mut_ptr(), buffer.len(), found) }
    })
    .map(|group| group.map(|(_, name)| name))
}

/// Returns the user that `lookup` finds.
fn user_entry(
    lookup: impl Fn(*mut libc::passwd, &mut [libc::c_char], *mut *mut libc::passwd) -> libc::c_int,
) -> io::Result<Option<User>> {
    answer_of(|buffer| {
        // SAFETY: passwd is integers and pointers, for which all zeroes is a value.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        let error = lookup(&raw mut entry, buffer, &raw mut found);
        if error != 0 || found.is_null() {
            return (error, None);
        }
        // SAFETY: on success pw_name points to a terminated string inside `buffer`.
        let name = unsafe { CStr::from_ptr(entry.pw_name) }.to_owned();
        let user = User { typed: name.clone(), name, uid: entry.pw_uid, gid: entry.pw_gid };
        (error, Some(user))
    })
}

/// Returns the id and name of the group that `lookup` finds.
fn group_entry(
    lookup: impl Fn(*mut libc::group, &mut [libc::c_char], *mut *mut libc::group) -> libc::c_int,
) -> io::Result<Option<(u32, CString)>> {
    answer_of(|buffer| {
        // SAFETY: group is integers and pointers, for which all zeroes is a value.
        let mut entry: libc::group = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        let error = lookup(&raw mut entry, buffer, &raw mut found);
        if error != 0 || found.is_null() {
            return (error, None);
        }
        // SAFETY: on success gr_name points to a terminated string inside `buffer`.
        let name = unsafe { CStr::from_ptr(entry.gr_name) }.to_owned();
        (error, Some((entry.gr_gid, name)))
    })
}

/// Asks a name service, with a larger buffer until the answer fits. `ask` returns the error number
/// and what was found.
fn answer_of<T>(
    mut ask: impl FnMut(&mut [libc::c_char]) -> (libc::c_int, Option<T>),
) -> io::Result<Option<T>> {
    let mut buffer = vec![0; 1024];
    loop {
        match ask(&mut buffer) {
            (libc::ERANGE, _) if buffer.len() < MAX_ANSWER => {
                let larger = buffer.len() * 4;
                buffer.resize(larger, 0);
            }
            (libc::EINTR, _) => {}
            (0, found) => return Ok(found),
            // getpwnam(3): "or other" values mean that the name was not found.
            (libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM, _) => return Ok(None),
            (error, _) => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_id_too() {
        assert_eq!(User::with_uid(0).unwrap().unwrap().name.as_bytes(), b"root");
        assert_eq!(User::with_uid(4_000_000_000).unwrap(), None);
    }

    #[test]
    fn root_has_uid_zero_and_nobody_is_called_that_name() {
        let root = User::named(c"root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.is_named("root") && !root.is_named("Root"));
        assert!(root.groups().unwrap().contains(&0));
        assert_eq!(User::named(c"no-such-user-here").unwrap(), None);
        assert_eq!(User::named(c"").unwrap(), None);
        assert_eq!(User::named(c"\xff\xfe").unwrap(), None);
        let long = CString::new(vec![b'x'; 65536]).unwrap();
        assert_eq!(User::named(&long).unwrap(), None);
    }

    #[test]
    fn groups_are_found_by_name_and_by_id() {
        assert_eq!(group_id(c"root").unwrap(), Some(0));
        assert_eq!(group_id(c"no-such-group-here").unwrap(), None);
        assert_eq!(group_name(0).unwrap().as_deref(), Some(c"root"));
        assert_eq!(group_name(u32::MAX - 7).unwrap(), None);
    }
}
