#![no_main]
#[path = "../properties.rs"]
#[allow(dead_code, reason = "each target uses one of them")]
mod properties;

libfuzzer_sys::fuzz_target!(|input: (&str, &str, u32)| properties::edit(input.0, input.1, input.2));
