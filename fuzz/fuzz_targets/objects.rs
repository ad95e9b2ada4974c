//! libFuzzer's inputs for `loadline_fuzz::objects`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loadline_fuzz::objects(bytes));
