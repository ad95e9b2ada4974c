//! libFuzzer's inputs for `loadline_fuzz::configuration`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loadline_fuzz::configuration(bytes));
