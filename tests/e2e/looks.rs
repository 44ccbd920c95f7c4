//! What the window looks like, in both themes and languages; for people to look at.

use crate::home::{Home, picture};
use crate::window::Window;
use serde_json::{Value, json};

fn answers() -> Value {
    json!([
        { "to": "箱子", "text": "[0.18, 0.22, 0.83, 0.95]" },
        { "to": "Where", "text": "[0.18, 0.22, 0.83, 0.95]" },
        { "to": "灯塔", "text": "画面中央有一座白色的灯塔，矗立在岩石海岸上。天空晴朗，海面平静。\n\n- **建筑**：灯塔与一座红顶小屋\n- **光线**：清晨或傍晚的柔和光线" },
        { "to": "lighthouse", "text": "A white lighthouse stands on a rocky shore under a clear sky. The sea behind it is calm.\n\n- **Buildings**: the lighthouse and a house with a red roof\n- **Light**: soft, as early in the morning or towards evening" },
        { "to": "动物", "text": "图里有一只灰色的猫，正看着镜头。" },
        { "text": "A grey cat looks into the camera." },
    ])
}

async fn add(window: &Window, home: &Home, name: &str, button: &str) {
    home.answer_dialogs(&[&picture(name)]);
    window.press(button).await;
    window
        .until(
            "a chip",
            "document.querySelector('form li img, form li button')",
        )
        .await;
}

async fn ask(window: &Window, field: &str, text: &str) {
    let enter = char::from(fantoccini::key::Key::Enter);
    window.type_into(field, &format!("{text}{enter}")).await;
    window
        .until(
            "answered",
            "document.querySelectorAll('article.answer').length > 0 && ![...document.querySelectorAll('article.answer')].some((a) => a.dataset.status === 'writing')",
        )
        .await;
}

#[tokio::test]
async fn english_in_both_themes() {
    let home = Home::new(answers()).with_model();
    let window = Window::open(&home).await;
    window.resize(1280, 860).await;
    window.see("Ready").await;
    add(&window, &home, "cat.jpg", "Add pictures").await;
    ask(&window, "Your question", "What kind of animal is this?").await;
    window.press("New chat").await;
    add(&window, &home, "lighthouse.png", "Add pictures").await;
    ask(
        &window,
        "Your question",
        "What does the lighthouse look like?",
    )
    .await;
    window.shoot("chat-en-light").await;
    window.press("Settings").await;
    window.see("Text size").await;
    window.shoot("settings-en-light").await;
    window.press("Dark").await;
    window.press("Settings").await;
    window.see("Your question").await;
    window.close().await;
    let window = Window::open(&home).await;
    window.see("lighthouse").await;
    window.shoot("chat-en-dark").await;
    window.resize(900, 600).await;
    window.shoot("chat-en-dark-small").await;
    window.close().await;
}

#[tokio::test]
async fn chinese_in_both_themes() {
    let mut home = Home::new(answers());
    home.language = "zh_CN.UTF-8";
    let home = home.with_model();
    let window = Window::open(&home).await;
    window.resize(1280, 860).await;
    window.see("就绪").await;
    add(&window, &home, "lighthouse.png", "添加图片").await;
    ask(&window, "您的问题", "灯塔是什么样子的？").await;
    window.shoot("chat-zh-light").await;
    window.press("设置").await;
    window.press("深色").await;
    window.shoot("settings-zh-dark").await;
    window.close().await;
}
