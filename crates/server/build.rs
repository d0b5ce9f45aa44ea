//! The page is embedded as it was last built: when it is built anew, so is this crate. A checkout without a built page compiles as
//! well.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A folder counts as changed when any file in it does.
    println!("cargo::rerun-if-changed=../../dashboard/dist");
}
