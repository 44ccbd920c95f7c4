//! Tests that cross crates live in the `[[test]]` targets of this package.
