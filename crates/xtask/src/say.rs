//! What xtask prints. Plain text when standard output is no terminal, bold headings when it is.
//!
//! A reader that has gone away (`cargo xtask test | head`) is no error, so failures to write are
//! dropped here, in one place, where `println!` would panic.

use std::io::{IsTerminal, Write};

/// Prints one line on standard output.
pub(crate) fn line(text: &str) {
    // The test harness keeps what `println!` prints, and only that, to itself.
    #[cfg(test)]
    return println!("{text}");
    #[cfg(not(test))]
    write_line(text);
}

#[cfg(not(test))]
fn write_line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    // Programs that write to the same stream come next; the order must hold.
    let _ = out.flush();
}

/// Prints the heading of a step on standard output.
pub(crate) fn heading(text: &str) {
    if bold_wanted() {
        line(&format!("\n\x1b[1m==> {text}\x1b[0m"));
    } else {
        line(&format!("\n==> {text}"));
    }
}

/// Prints what went wrong on standard error.
pub(crate) fn problem(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn bold_wanted() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() && !cfg!(windows)
}
