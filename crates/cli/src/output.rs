//! Standard output: only results, and a reader that went away is no error.

use crate::failure::{Failure, Outcome};
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};

/// Whether somebody still reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// What was written arrived.
    There,
    /// The pipe is closed (`visavis caption ... | head`).
    Gone,
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Writes and flushes.
pub(crate) fn write(bytes: &[u8]) -> Result<Reader, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Failure::new(format!("cannot write the result: {error}"))),
    }
}

/// Writes a whole result.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<Outcome, Failure> {
    write(bytes).map(|_| Outcome::Done)
}

/// One JSON value on one line.
pub(crate) fn json_line(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut line = serde_json::to_vec(value)
        .map_err(|error| Failure::new(format!("cannot write the result as JSON: {error}")))?;
    line.push(b'\n');
    Ok(line)
}

/// One JSON value, indented for a person when standard output is a terminal.
pub(crate) fn print_json(value: &impl Serialize) -> Result<Outcome, Failure> {
    if !is_terminal() {
        return print_bytes(&json_line(value)?);
    }
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Failure::new(format!("cannot write the result as JSON: {error}")))?;
    text.push(b'\n');
    print_bytes(&text)
}
