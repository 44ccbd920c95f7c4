//! Measures a large library: 10,000 threads with 100,000 messages. With `--window PROGRAM` also
//! the window on it, on the display that `DISPLAY` names: `cargo xtask bench`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use visavis_app::{App, EngineHandle, EngineOptions};
use visavis_store::{Role, Store, WholeThread};

const THREADS: usize = 10_000;
const MESSAGES: usize = 10;
const ROUNDS: usize = 21;

const SUBJECTS: [&str; 8] = [
    "lighthouse",
    "kitchen",
    "bicycle",
    "market",
    "harbour",
    "garden",
    "station",
    "library",
];
const CHINESE: [&str; 8] = [
    "灯塔",
    "厨房",
    "自行车",
    "市场",
    "港口",
    "花园",
    "车站",
    "图书馆",
];

fn threads(from: usize, count: usize) -> Vec<WholeThread> {
    let text = |n: usize| {
        let (subject, chinese) = (SUBJECTS[n % 8], CHINESE[n / 8 % 8]);
        format!(
            "The picture {n} shows a {subject} with people in it, and light from the left. \
             图片里有{chinese}，前面站着几个人，光线从左边照进来。"
        )
    };
    (from..from + count)
        .map(|n| WholeThread {
            title: format!("What is in picture {n}?"),
            created_at: 1_700_000_000_000 + i64::try_from(n).unwrap_or(0) * 60_000,
            messages: (0..MESSAGES)
                .map(|m| {
                    let role = if m % 2 == 0 {
                        Role::User
                    } else {
                        Role::Assistant
                    };
                    (role, text(n * MESSAGES + m))
                })
                .collect(),
        })
        .collect()
}

/// The middle of several runs.
async fn median(name: &str, mut run: impl AsyncFnMut()) {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        run().await;
        times.push(begun.elapsed());
    }
    times.sort();
    let worst = times[ROUNDS - 1];
    println!("{name:<44}{:>9.1?} (worst {worst:.1?})", times[ROUNDS / 2]);
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let begun = Instant::now();
    let store = Store::open(folder.path()).await.expect("a store").store;
    for from in (0..THREADS).step_by(1000) {
        store
            .add_threads(&threads(from, 1000))
            .await
            .expect("threads");
    }
    store.close().await;
    drop(store);
    println!(
        "{THREADS} threads, {} messages, written in {:.1?}",
        THREADS * MESSAGES,
        begun.elapsed()
    );
    let engine = Arc::new(EngineHandle::start(EngineOptions::default()).expect("an engine"));
    let begun = Instant::now();
    let app = App::open(folder.path(), engine, None)
        .await
        .expect("the data");
    println!("{:<44}{:>9.1?}", "open the data folder", begun.elapsed());
    measure(&app).await;
    app.close().await;
    drop(app);
    if let [flag, program] = arguments.as_slice()
        && flag == "--window"
    {
        window(folder.path(), Path::new(program));
    }
}

async fn measure(app: &App) {
    median("everything for the first frame", async || {
        app.start().await.expect("a start");
    })
    .await;
    median("list, first 100", async || {
        app.threads(None, 100).await.expect("a list");
    })
    .await;
    median("list, all 10,000 in parts of 500", async || {
        let mut cursor = None;
        loop {
            let page = app.threads(cursor.as_deref(), 500).await.expect("a list");
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    })
    .await;
    let newest = app.threads(None, 1).await.expect("a list").threads[0].id;
    median("open a thread", async || {
        app.open_thread(newest).await.expect("a thread");
    })
    .await;
    for query in [
        "lighthouse",
        "灯塔",
        "图书馆 garden",
        "picture 99999",
        "nowhere",
        "li",
    ] {
        median(&format!("search \"{query}\""), async || {
            app.search(query, None).await.expect("hits");
        })
        .await;
    }
}

/// Starts the window on the library, and tells when it is shown and what it holds then.
fn window(folder: &Path, program: &Path) {
    let log = folder.join("logs/visavis.log");
    let begun = Instant::now();
    let mut child = Command::new(program)
        .env("VISAVIS_DATA_DIR", folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the window");
    let shown = loop {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        if text.contains("the window is shown") {
            break Some(begun.elapsed());
        }
        if begun.elapsed() > Duration::from_secs(30) {
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    match shown {
        Some(time) => println!("{:<44}{time:>9.1?}", "window usable after"),
        None => println!("the window was not shown within 30 s"),
    }
    std::thread::sleep(Duration::from_secs(5));
    println!(
        "{:<44}{:>6} MB (all its processes, shared pages by share)",
        "memory, idle and without a model",
        proportional_memory(child.id()) / 1024
    );
    let _ = child.kill();
    let _ = child.wait();
}

/// Kilobytes of a process and its descendants (`Pss` in Linux's smaps_rollup); 0 elsewhere.
fn proportional_memory(process: u32) -> u64 {
    let own = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    let tasks = PathBuf::from(format!("/proc/{process}/task"));
    let children = std::fs::read_dir(tasks).into_iter().flatten().flatten();
    let children = children.flat_map(|task| {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let ids: Vec<u32> = text
            .split_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect();
        ids
    });
    own + children.map(proportional_memory).sum::<u64>()
}
