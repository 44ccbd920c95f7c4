//! Finding chats again, and putting them in order; settings in both languages.

use crate::home::Home;
use crate::window::Window;
use fantoccini::key::Key;
use serde_json::json;

#[tokio::test]
async fn what_was_said_is_found_renamed_deleted_and_brought_back() {
    let home = Home::new(json!([
        { "to": "动物", "text": "图里有两只猫。" },
        { "text": "A lighthouse by the sea." },
    ]))
    .with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window.ask("What stands there?").await;
    window.press("New chat").await;
    window.ask("图片里有什么动物？").await;
    window.type_into("Search chats", "lighthou").await;
    window
        .until(
            "marked",
            "[...document.querySelectorAll('mark')].some((m) => m.innerText === 'lighthou')",
        )
        .await;
    window.press("Clear the search").await;
    window.type_into("Search chats", "只猫").await;
    window
        .until(
            "marked",
            "[...document.querySelectorAll('mark')].some((m) => m.innerText === '只猫')",
        )
        .await;
    window.press("Clear the search").await;

    let row = "[data-row]";
    window.wait("a chat", row).await.click().await.unwrap();
    window.key(Key::F2).await;
    window
        .type_into(
            "Name of the chat",
            &format!("两只猫 Cats{}", char::from(Key::Enter)),
        )
        .await;
    let named = "document.querySelector('[data-row]')?.innerText.includes('Cats')";
    window.until("renamed", named).await;
    window
        .until(
            "the row is back",
            "document.activeElement?.matches('[data-row]')",
        )
        .await;
    window.key(Key::Delete).await;
    window.see("Deleted “两只猫 Cats”").await;
    assert_eq!(window.count(row).await, 1);
    window.press("Undo").await;
    window
        .until(
            "back",
            &format!("document.querySelectorAll('{row}').length === 2"),
        )
        .await;
    window.close().await;
    let window = Window::open(&home).await;
    window.see("两只猫 Cats").await;
    window.close().await;
}

#[tokio::test]
async fn settings_change_language_and_theme_and_stay() {
    let home = Home::new(json!([{ "text": "Yes." }])).with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window.ask("Hello?").await;
    window.press("Settings").await;
    window.see("Text size").await;
    window.press("简体中文").await;
    window.see("设置").await;
    window.press("深色").await;
    window.until("dark", "getComputedStyle(document.documentElement).colorScheme.includes('dark') || document.documentElement.dataset.theme === 'dark'").await;
    window.close().await;
    let window = Window::open(&home).await;
    window.see("就绪").await;
    window.shoot("chat-zh-dark").await;
    window.close().await;
}

#[tokio::test]
async fn everything_is_backed_up_deleted_and_restored() {
    let home = Home::new(json!([{ "text": "Kept." }])).with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window.ask("Will it come back?").await;
    window.press("Settings").await;
    let file = home.at("all.visavis");
    home.answer_dialogs(&[&file]);
    window.press("Back up now…").await;
    window.see("Backed up:").await;
    assert!(file.is_file());
    window.press("Delete everything…").await;
    window.see("Delete everything?").await;
    window
        .run("document.querySelector('[role=dialog] input, [role=alertdialog] input').focus()")
        .await;
    let active = "document.activeElement?.tagName === 'INPUT'";
    window.until("the field", active).await;
    for letter in "delete".chars() {
        window
            .wait("the word", "[role=dialog] input, [role=alertdialog] input")
            .await
            .send_keys(&letter.to_string())
            .await
            .unwrap();
    }
    window.press("Delete everything").await;
    window.see("Everything is deleted.").await;
    home.answer_dialogs(&[&file]);
    window.press("Settings").await;
    window.press("Restore a backup…").await;
    window.see("Replace everything by this backup?").await;
    window.press("Replace everything").await;
    window.see("The backup is restored.").await;
    window.close().await;
    let window = Window::open(&home).await;
    window.see("Will it come back?").await;
    window.close().await;
}
