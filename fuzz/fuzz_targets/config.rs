#![no_main]
#[path = "../properties.rs"]
#[allow(dead_code, reason = "each target uses one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|text: &str| properties::config(text));
