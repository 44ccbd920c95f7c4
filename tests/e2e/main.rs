//! The real window, as a person uses it: WebKitWebDriver drives it on a display of its own.
//!
//! Each test has its own data folder, display and driver. The engine answers from a script
//! (feature `e2e`), so that what is tested is the window and everything up to the engine; the
//! engine and the models have tests of their own. Elements are found by the words that a person
//! reads or hears, never by class names.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asking;
mod drops;
mod faults;
mod finding;
mod home;
mod hostile;
mod looks;
mod real;
mod starting;
mod window;
mod xdnd;
