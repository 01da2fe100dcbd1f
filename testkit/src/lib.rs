//! Drives PAM modules through the real libpam, for the tests and the demo.
