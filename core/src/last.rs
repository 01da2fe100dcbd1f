//! What a process has found out last, kept for the next phase of the same login.

use std::sync::Mutex;

/// The last value of its kind in this process; every user must check that it still holds.
///
/// Nobody waits for it, and nobody relies on it: the lock may be held by a thread that a fork left behind.
#[derive(Debug)]
pub struct Last<T>(Mutex<Option<T>>);

impl<T> Last<T> {
    /// Knows nothing yet.
    #[must_use]
    pub const fn none() -> Self {
        Self(Mutex::new(None))
    }

    /// Returns what `of_use` makes of it.
    pub fn look<R>(&self, of_use: impl FnOnce(&T) -> Option<R>) -> Option<R> {
        self.0.try_lock().ok()?.as_ref().and_then(of_use)
    }

    /// Takes it out, if `is_it`.
    pub fn take_if(&self, is_it: impl FnOnce(&T) -> bool) -> Option<T> {
        self.0.try_lock().ok()?.take_if(|last| is_it(last))
    }

    /// Keeps `value` in the place of another one, which is dropped with the lock free.
    pub fn keep(&self, value: T) {
        let _another = self.0.try_lock().ok().and_then(|mut last| last.replace(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_is_there_unless_somebody_else_is_at_it() {
        let last = Last::none();
        assert_eq!(last.look(|&one: &u8| Some(one)), None);
        last.keep(1);
        last.keep(2);
        assert_eq!(last.look(|&one| Some(one)), Some(2));
        let held = last.0.lock().unwrap();
        assert_eq!(last.look(|&one| Some(one)), None);
        last.keep(3);
        assert_eq!(last.take_if(|_| true), None);
        drop(held);
        assert_eq!(last.take_if(|&one| one == 3), None);
        assert_eq!(last.take_if(|&one| one == 2), Some(2));
        assert_eq!(last.take_if(|_| true), None);
    }
}
