//! The target `map`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gadugi_fuzz::map(data));
