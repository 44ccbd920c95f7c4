//! What a model might say to hurt: nothing of it runs, loads or blocks, live or later.

use crate::home::Home;
use crate::window::Window;
use serde_json::json;

const SCRIPTS: &str = "<script>window.hurt = 1</script> <img src=x onerror=\"window.hurt = 2\"> \
    ![pixel](https://example.org/pixel.png?q=secret) <iframe src=\"https://example.org\"></iframe> \
    [a](javascript:window.hurt=3) [b](data:text/html,<script>window.hurt=4</script>) \
    <a href=\"x\" onclick=\"window.hurt = 5\">c</a> <svg onload=\"window.hurt = 6\"></svg> \
    <style>* { display: none }</style> <form action=\"https://example.org\"><input></form> **end**";

/// Nothing ran, and nothing points anywhere that loads.
const INERT: &str = "window.hurt === undefined && \
    ![...document.querySelectorAll('article.answer *')].some((e) => \
        ['SCRIPT', 'IFRAME', 'STYLE', 'FORM', 'OBJECT', 'EMBED'].includes(e.tagName) || \
        [...e.attributes].some((a) => a.name.startsWith('on') || /^(javascript|data):/i.test(a.value)) || \
        /^(https?:)?\\/\\//.test(e.getAttribute('src') ?? ''))";

#[tokio::test]
async fn hostile_markdown_is_inert_while_it_streams_and_in_history() {
    let home = Home::with_script(json!({
        "piece_ms": 2,
        "answers": [{ "text": SCRIPTS, "piece": 3 }],
    }))
    .with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window.ask("Hurt me.").await;
    window.see("end").await;
    window.until("inert", INERT).await;
    let asked =
        "performance.getEntriesByType('resource').every((e) => !e.name.includes('example.org'))";
    window.until("nothing was fetched", asked).await;
    window.close().await;
    let window = Window::open(&home).await;
    window.see("end").await;
    window.until("inert in history", INERT).await;
    window.until("nothing was fetched", asked).await;
    window.close().await;
}

#[tokio::test]
async fn endless_lines_and_nesting_do_not_block_the_window() {
    let home = Home::with_script(json!({
        "piece_ms": 1,
        "answers": [
            { "to": "line", "text": "x".repeat(1_000_000), "piece": 50_000 },
            { "to": "nested", "text": ">".repeat(100_000), "piece": 20_000 },
            { "text": "Still here." },
        ],
    }))
    .with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    window.ask("A line, please.").await;
    window.ask("Something nested.").await;
    window.ask("Are you there?").await;
    assert!(window.last_answer().await.contains("Still here."));
    window.close().await;
    let window = Window::open(&home).await;
    window.see("Still here.").await;
    window.close().await;
}

#[tokio::test]
async fn the_page_may_call_nothing_but_its_own_table() {
    let home = Home::new(json!([])).with_model();
    let window = Window::open(&home).await;
    window.see("Ready").await;
    for call in [
        "plugin:event|listen",
        "plugin:window|close",
        "plugin:webview|create_webview_window",
        "plugin:path|resolve",
        "plugin:fs|read_file",
        "no_such_call",
    ] {
        let script = format!(
            "window.outcome = undefined;
             window.__TAURI_INTERNALS__.invoke({call:?}, {{}}).then(() => window.outcome = 'done', () => window.outcome = 'refused')"
        );
        window.run(&script).await;
        window.until("an outcome", "window.outcome").await;
        assert_eq!(
            window.run("return window.outcome").await,
            "refused",
            "{call}"
        );
    }
    let evaluated =
        "(() => { try { return new Function('return 1')() !== 1 } catch { return true } })()";
    window.until("no code from text", evaluated).await;
    window.close().await;
}
