//! What happens to computers: killed programs, full disks.

use crate::home::Home;
use crate::window::Window;
use fantoccini::key::Key;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

#[tokio::test]
async fn a_killed_window_keeps_what_was_written_and_says_so() {
    let home = Home::with_script(json!({
        "piece_ms": 30,
        "answers": [{ "text": "word ", "times": 10_000 }],
    }))
    .with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window
        .type_into(
            "Your question",
            &format!("Write.{}", char::from(Key::Enter)),
        )
        .await;
    window
        .see("word word word word word word word word word word")
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    kill(home.data());
    window.close().await;
    let window = Window::open(&home).await;
    window.see("word word").await;
    window.see("Interrupted").await;
    window.press("Continue").await;
    window
        .until(
            "writing",
            "document.querySelector('article.answer').dataset.status === 'writing'",
        )
        .await;
    window.close().await;
}

/// Ends the program on this data folder as a power cut would.
fn kill(data: &Path) {
    let wanted = format!("VISAVIS_DATA_DIR={}", data.display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ours = processes.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse::<u32>().ok()?;
        let program = std::fs::read_link(entry.path().join("exe")).ok()?;
        let variables = std::fs::read(entry.path().join("environ")).ok()?;
        let has_folder = variables
            .split(|byte| *byte == 0)
            .any(|v| v == wanted.as_bytes());
        (has_folder && program.ends_with("visavis-desktop")).then_some(id)
    });
    let ids: Vec<String> = ours.map(|id| id.to_string()).collect();
    assert!(!ids.is_empty(), "the program is not there");
    let killed = Command::new("kill").arg("-KILL").args(&ids).status();
    assert!(killed.is_ok_and(|status| status.success()));
}

/// A small disk of its own; only who may mount has one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
            .arg(&at)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_is_lost() {
    let home = Home::new(json!([{ "text": "Saved." }]));
    let Some(disk) = SmallDisk::mount(home.at("disk")) else {
        eprintln!("not run: mounting a small disk needs root");
        return;
    };
    let home = home.data_in(&disk.0).with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window.ask("Before?").await;
    let filler = disk.0.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    let block = [1_u8; 4096];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    let long = "word ".repeat(3000);
    let script = format!(
        "const f = document.querySelector('textarea'); f.value = {long:?}; f.dispatchEvent(new Event('input', {{ bubbles: true }}));"
    );
    window.run(&script).await;
    window
        .type_into("Your question", &String::from(char::from(Key::Enter)))
        .await;
    window.see("The disk is full.").await;
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    let kept = "document.querySelector('textarea').value.length > 10000";
    window.until("the question is still there", kept).await;
    window
        .type_into("Your question", &String::from(char::from(Key::Enter)))
        .await;
    window
        .until(
            "answered",
            "document.querySelectorAll('article.answer[data-status=complete]').length === 2",
        )
        .await;
    window.close().await;
    let window = Window::open(&home).await;
    window.see("Before?").await;
    window.close().await;
}
