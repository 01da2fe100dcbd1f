#![no_main]

#[path = "../module.rs"]
#[allow(dead_code, reason = "each target runs one property")]
mod module;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| module::stat(bytes));
