//! The `visavis` command line.
fn main() {}
