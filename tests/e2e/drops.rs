//! Dragging from other programs onto the real window.

use crate::home::{Home, picture};
use crate::window::{Window, uri};
use serde_json::json;

#[tokio::test]
async fn files_folders_and_addresses_are_dropped() {
    let home = Home::new(json!([{ "text": "A cat." }])).with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window.drop_on(&[uri(&picture("cat.jpg"))]);
    window
        .wait("the chip", "[aria-label=\"Remove cat.jpg\"]")
        .await;
    window.ask("What is this?").await;

    let folder = home.at("some pictures");
    std::fs::create_dir(&folder).unwrap();
    for name in ["flower.jpg", "rocket.jpg"] {
        std::fs::copy(picture(name), folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("notes.txt"), "no picture").unwrap();
    window.drop_on(&[uri(&folder).replace(' ', "%20")]);
    window
        .wait("a chip", "[aria-label=\"Remove flower.jpg\"]")
        .await;
    window
        .wait("a chip", "[aria-label=\"Remove rocket.jpg\"]")
        .await;

    window.drop_on(&["https://example.org/cat.jpg".to_owned()]);
    window.see("not a file on this computer").await;

    let text = home.at("text.jpg");
    std::fs::write(&text, "no picture at all").unwrap();
    window.drop_on(&[uri(&text)]);
    window.see("text.jpg").await;
    window.close().await;
}
