#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inputs::env_file(bytes));
