//! The target `transcript`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gadugi_fuzz::transcript(data));
