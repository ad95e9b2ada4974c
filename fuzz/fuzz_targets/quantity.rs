//! libFuzzer's inputs for `loadline_fuzz::quantity`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| loadline_fuzz::quantity(bytes));
