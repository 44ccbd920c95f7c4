//! The first start, a second one beside it, and the next day.

use crate::home::{Home, picture};
use crate::window::{PROGRAM, Window};
use serde_json::json;

#[tokio::test]
async fn the_first_start_leads_to_a_model_and_an_answer() {
    let home = Home::new(json!([{ "text": "A cat on a bench." }]));
    let window = Window::open(&home).await;
    window.see("To begin, Visavis needs a model").await;
    window.shoot("welcome-en-light").await;
    home.answer_dialogs(&[home.model.path()]);
    window.press("Choose a folder…").await;
    window.see("Found:").await;
    window.press("Use this model").await;
    window.see("Ready").await;
    home.answer_dialogs(&[&picture("cat.jpg")]);
    window.press("Add pictures").await;
    window
        .wait("the chip", "[aria-label=\"Remove cat.jpg\"]")
        .await;
    window.ask("What is this?").await;
    assert!(window.last_answer().await.contains("A cat on a bench."));
    window.close().await;

    // The next day: the same chat is open, and the model is loaded by itself.
    let window = Window::open(&home).await;
    window.see("A cat on a bench.").await;
    window.see("Ready").await;
    let shown = "document.querySelector('article.question img')?.naturalWidth > 0";
    window.until("the picture is shown", shown).await;
    window.close().await;
}

#[tokio::test]
async fn a_second_start_shows_the_first_window() {
    let home = Home::new(json!([])).with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    let second = std::process::Command::new(PROGRAM)
        .envs(home.environment(&window.display.name))
        .output()
        .unwrap();
    assert!(second.status.success(), "{second:?}");
    window.ask("Still here?").await;
    window.close().await;
}

#[tokio::test]
async fn data_of_a_newer_program_is_left_alone_and_said_so() {
    let home = Home::new(json!([])).with_model();
    Window::open(&home).await.close().await;
    let database = home.data().join("visavis.db");
    // The version stands in bytes 60 to 63 of a database (sqlite.org/fileformat.html).
    let mut bytes = std::fs::read(&database).unwrap();
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    for end in ["visavis.db-wal", "visavis.db-shm"] {
        let _ = std::fs::remove_file(home.data().join(end));
    }
    std::fs::write(&database, &bytes).unwrap();
    let window = Window::open(&home).await;
    window.see("The data was written by a newer Visavis.").await;
    window.close().await;
    assert_eq!(std::fs::read(&database).unwrap(), bytes);
}

#[tokio::test]
async fn drafts_and_the_open_chat_are_remembered() {
    let home = Home::new(json!([{ "text": "Yes." }])).with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window.ask("First?").await;
    window.type_into("Your question", "half a quest").await;
    // Drafts are saved a moment after the last key.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    window.close().await;
    let window = Window::open(&home).await;
    window.see("First?").await;
    let kept = "document.querySelector('textarea').value === 'half a quest'";
    window.until("the draft is back", kept).await;
    window.close().await;
}
