//! libFuzzer's inputs for `loadline_fuzz::selector`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loadline_fuzz::selector(bytes));
