//! The window with the real engine: a tiny model answers something, and the practice model, where
//! there is one, answers what is true.

use crate::home::{Home, root};
use crate::window::Window;
use serde_json::{Value, json};

#[tokio::test]
async fn a_real_model_answers_in_the_window() {
    let mut home = Home::new(json!([]));
    home.scripted = false;
    let home = home.with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window.ask("hello").await;
    let said = "document.querySelector('article.answer').dataset.status !== 'failed'";
    window.until("an answer", said).await;
    window.close().await;
}

/// A drawing with a question and a word of its true answer, beside the practice model.
fn known_drawing() -> Option<(std::path::PathBuf, String, String)> {
    let demo = root().join("models/demo");
    if !demo.join("config.json").is_file() {
        return None;
    }
    let text = std::fs::read_to_string(demo.join("examples/examples.json")).ok()?;
    let examples: Value = serde_json::from_str(&text).ok()?;
    let first = examples.as_array()?.first()?;
    let word = |key: &str| first.get(key)?.as_str().map(str::to_owned);
    Some((
        demo.join("examples").join(word("picture")?),
        word("question")?,
        word("answer")?,
    ))
}

#[tokio::test]
async fn the_practice_model_tells_the_truth() {
    let Some((picture, question, answer)) = known_drawing() else {
        eprintln!("not run: there is no practice model with examples yet");
        return;
    };
    let mut home = Home::new(json!([]));
    home.scripted = false;
    let window = Window::open(&home).await;
    window.see("Ready").await;
    home.answer_dialogs(&[&picture]);
    window.press("Add pictures").await;
    window
        .until(
            "a chip",
            "document.querySelector('form li img, form li button')",
        )
        .await;
    window.ask(&question).await;
    assert!(
        window.last_answer().await.contains(&answer),
        "{}",
        window.last_answer().await
    );
    window.close().await;
}
