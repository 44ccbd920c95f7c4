//! One window for a data folder: a second start shows the first window instead.
//!
//! The first window listens on a port of this computer that nobody else can reach, and writes
//! port and a secret into the data folder. Who can read that folder may show the window, and
//! nothing else.

use crate::main_window;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAME: &str = "visavis.instance";
/// On the same computer everything is quick, or not there.
const PATIENCE: Duration = Duration::from_millis(500);
const WELCOME: &[u8] = b"shown";

fn file(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

/// Asks a window on the same folder to show itself; whether there is one.
pub(crate) fn show_running(folder: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(file(folder)) else {
        return false;
    };
    let Some((port, secret)) = text.trim().split_once(' ') else {
        return false;
    };
    let Ok(port) = port.parse::<u16>() else {
        return false;
    };
    let ask = || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(secret.as_bytes())?;
        let mut answer = [0; WELCOME.len()];
        stream.read_exact(&mut answer)?;
        Ok::<bool, std::io::Error>(answer == WELCOME)
    };
    // A port that somebody else has by now does not know the word.
    ask().unwrap_or(false)
}

/// Listens for second starts until the program ends.
pub(crate) fn listen(handle: &tauri::AppHandle, folder: &Path) {
    let begun = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
        let port = listener.local_addr()?.port();
        let secret = format!("{:032x}", rand::random::<u128>());
        write_private(&file(folder), &format!("{port} {secret}"))?;
        Ok((listener, secret))
    });
    let (listener, secret) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            tracing::warn!(%error, "a second start will not find this window");
            return;
        }
    };
    let handle = handle.clone();
    let serve = move || {
        for stream in listener.incoming().flatten() {
            if asks(stream, secret.as_bytes()).unwrap_or(false) {
                show(&handle);
            }
        }
    };
    if let Err(error) = std::thread::Builder::new()
        .name("instance".into())
        .spawn(serve)
    {
        tracing::warn!(%error, "a second start will not find this window");
    }
}

fn asks(mut stream: TcpStream, secret: &[u8]) -> std::io::Result<bool> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut word = vec![0; secret.len()];
    stream.read_exact(&mut word)?;
    if word != secret {
        return Ok(false);
    }
    stream.write_all(WELCOME)?;
    Ok(true)
}

fn show(handle: &tauri::AppHandle) {
    let again = handle.clone();
    let shown = handle.run_on_main_thread(move || {
        if let Some(window) = main_window(&again) {
            let _ = window.unminimize();
            let _ = window.show();
            let _ = window.set_focus();
        }
    });
    if let Err(error) = shown {
        tracing::warn!(%error, "the window could not be shown");
    }
}

#[cfg(unix)]
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    // Made anew, so that it has these permissions whatever it had before.
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(not(unix))]
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    // The folder is under the person's own profile.
    std::fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_word_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!show_running(folder.path()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for stream in listener.incoming().take(2) {
                asked.push(asks(stream.unwrap(), b"right").unwrap_or(false));
            }
            asked
        });
        write_private(&file(folder.path()), &format!("{port} wrong")).unwrap();
        assert!(!show_running(folder.path()));
        write_private(&file(folder.path()), &format!("{port} right")).unwrap();
        assert!(show_running(folder.path()));
        assert_eq!(server.join().unwrap(), [false, true]);
    }

    #[test]
    fn what_is_no_address_is_no_window() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "x y", "99999999 a", "1"] {
            std::fs::write(file(folder.path()), text).unwrap();
            assert!(!show_running(folder.path()), "{text}");
        }
    }
}
