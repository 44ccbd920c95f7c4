//! A conversation: reading as it appears, stopping, going on, branches.

use crate::home::{Home, picture};
use crate::window::Window;
use serde_json::json;

#[tokio::test]
async fn the_window_says_what_the_model_does_and_clears_the_patches() {
    let home = Home::with_script(json!({
        "see_ms": 3000, "read_ms": 1500, "piece_ms": 30,
        "answers": [{ "text": "A **grey** cat.\n\n- on a bench\n- asleep" }],
    }))
    .with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    home.answer_dialogs(&[&picture("cat.jpg")]);
    window.press("Add pictures").await;
    window
        .wait("the chip", "[aria-label=\"Remove cat.jpg\"]")
        .await;
    window
        .type_into(
            "Your question",
            &format!("Look.{}", char::from(fantoccini::key::Key::Enter)),
        )
        .await;
    window.see("Looking at the picture…").await;
    window.shoot("looking-en-light").await;
    window.see("Reading the question…").await;
    window
        .until(
            "bold",
            "document.querySelector('article.answer strong')?.innerText === 'grey'",
        )
        .await;
    window
        .until(
            "a list",
            "document.querySelectorAll('article.answer li').length === 2",
        )
        .await;
    window
        .until(
            "done",
            "document.querySelector('article.answer').dataset.status === 'complete'",
        )
        .await;
    window.close().await;
}

#[tokio::test]
async fn answers_are_stopped_continued_and_made_anew() {
    let home = Home::with_script(json!({
        "piece_ms": 40,
        "answers": [
            { "to": "long", "text": "on and ", "times": 100_000 },
            { "text": "Short." },
        ],
    }))
    .with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    let enter = char::from(fantoccini::key::Key::Enter);
    window
        .type_into("Your question", &format!("A long one{enter}"))
        .await;
    window.see("on and on and").await;
    window.press("Stop").await;
    window.see("Stopped").await;
    window.press("Continue").await;
    window
        .until(
            "writing",
            "document.querySelector('article.answer').dataset.status === 'writing'",
        )
        .await;
    window.press("Stop").await;
    window.see("Stopped").await;
    window.press("Answer again").await;
    window
        .until(
            "a second version",
            "document.querySelector('[aria-label=\"2 of 2\"]')",
        )
        .await;
    window.press("Stop").await;
    window.press("Previous version").await;
    window
        .until(
            "the first version",
            "document.querySelector('[aria-label=\"1 of 2\"]')",
        )
        .await;
    window.close().await;
}

#[tokio::test]
async fn an_edited_question_is_a_branch_and_nothing_is_lost() {
    let home = Home::new(json!([
        { "to": "red", "text": "It is red." },
        { "to": "blue", "text": "It is blue." },
        { "text": "Yes." },
    ]))
    .with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window.ask("Is it red?").await;
    window.ask("Sure?").await;
    // The first question.
    window.press("Edit the question").await;
    window.see("Editing an earlier question.").await;
    let clear = "const f = document.querySelector('textarea'); f.value = ''; f.dispatchEvent(new Event('input', { bubbles: true }));";
    window.run(clear).await;
    let enter = char::from(fantoccini::key::Key::Enter);
    window
        .type_into("Your question", &format!("Is it blue?{enter}"))
        .await;
    window.see("It is blue.").await;
    window.gone("Sure?").await;
    window.press("Previous version").await;
    window.see("Sure?").await;
    window.see("It is red.").await;
    window.close().await;
    let window = Window::open(&home).await;
    window.see("Sure?").await;
    window.press("Next version").await;
    window.see("It is blue.").await;
    window.close().await;
}

#[tokio::test]
async fn a_box_is_drawn_and_links_ask_first() {
    let home = Home::new(json!([
        { "to": "cat", "text": "[0.20, 0.20, 0.80, 0.80]" },
        { "text": "See [the page](https://example.org/cats) and [this](file:///etc/passwd)." },
    ]))
    .with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    home.answer_dialogs(&[&picture("cat.jpg")]);
    window.press("Add pictures").await;
    window
        .wait("the chip", "[aria-label=\"Remove cat.jpg\"]")
        .await;
    window.ask("Where is the cat?").await;
    window.see("Found in the picture").await;
    window.shoot("box-en-light").await;
    window.ask("Where can I read more?").await;
    window.press("the page").await;
    window.see("Open this link in the browser?").await;
    assert_eq!(home.opened(), "");
    window.press("Open").await;
    let begun = std::time::Instant::now();
    while home.opened().is_empty() && begun.elapsed().as_secs() < 20 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(home.opened(), "https://example.org/cats\n");
    assert_eq!(window.count("article.answer a[href^='file']").await, 0);
    window.close().await;
}
