//! The application that the tests and the demo log in with; see `testkit::actor`.

fn main() -> std::process::ExitCode {
    match u8::try_from(testkit::actor::main()) {
        Ok(status) => status.into(),
        Err(_) => std::process::ExitCode::FAILURE,
    }
}
