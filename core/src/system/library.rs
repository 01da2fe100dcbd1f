//! Shared libraries that are loaded when they are needed (dlopen(3)).

use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

/// A library that stays loaded until the process ends, so that its functions stay valid.
#[derive(Debug, Clone, Copy)]
pub struct Library(NonNull<c_void>);

impl Library {
    /// Loads the library called `name`: an absolute path, or a name that the dynamic linker looks up.
    ///
    /// # Errors
    ///
    /// The text of dlerror(3).
    pub fn load(name: &CStr) -> Result<Self, String> {
        let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE;
        // SAFETY: the name is terminated. What the library does when it is loaded is its caller's choice, who
        // names only libraries of the distribution.
        let library = unsafe { libc::dlopen(name.as_ptr(), flags) };
        NonNull::new(library).map(Self).ok_or_else(last_error)
    }

    /// Returns the address of the function called `name`.
    #[must_use]
    pub fn function(self, name: &CStr) -> Option<NonNull<c_void>> {
        // SAFETY: the library is never unloaded, the name is terminated.
        NonNull::new(unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) })
    }
}

fn last_error() -> String {
    // SAFETY: takes nothing; the text is valid until the thread's next call of this family.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "no reason given".to_owned();
    }
    // SAFETY: dlerror returns a terminated string.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_a_library_is_found() {
        let libc = Library::load(c"libc.so.6").unwrap();
        assert!(libc.function(c"getpid").is_some());
        assert!(libc.function(c"no_such_function").is_none());
    }

    #[test]
    fn a_library_that_cannot_be_loaded_is_an_error_that_names_it() {
        let error = Library::load(c"/no/such/library.so").unwrap_err();
        assert!(error.contains("/no/such/library.so"), "{error}");
    }
}
