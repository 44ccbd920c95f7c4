//! A program that is killed in the middle of an answer, fifty times.
//!
//! The child asks, writes and finishes without end, and says what is finished once the store has
//! said so. The parent kills it at some moment, opens the folder, and compares.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use visavis_store::{Finished, MessageStatus, NewQuestion, Role, Store};

const FOLDER: &str = "VISAVIS_TEST_KILLED";
const TIMES: u64 = 50;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The text of the n-th answer.
fn words(number: u64) -> String {
    format!("answer {number}: {}", "一些字 and words ".repeat(40))
}

/// Not a test of its own: what the parent starts and kills.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    runtime().block_on(async {
        let store = Store::open(Path::new(&folder)).await.unwrap().store;
        let mut thread = None;
        let mut parent = None;
        for number in 0.. {
            let text = words(number);
            let asked = store
                .ask(NewQuestion {
                    thread,
                    parent,
                    text: "a question",
                    options: "{}",
                    pictures: &[],
                    title: "a question",
                })
                .await
                .unwrap();
            (thread, parent) = (Some(asked.thread), Some(asked.answer));
            println!("ASKED {}", asked.answer);
            for part in 1..6 {
                let end = text.char_indices().nth(part * 60).unwrap().0;
                store
                    .write_answer(asked.answer, &text[..end])
                    .await
                    .unwrap();
            }
            let finished = Finished {
                text: &text,
                status: MessageStatus::Complete,
                stats: None,
                error: None,
            };
            store.finish_answer(asked.answer, finished).await.unwrap();
            println!("FINISHED {} {number}", asked.answer);
        }
    });
}

/// Runs the child for a while and kills it. What it said, as (word, answer, number).
fn run_and_kill(folder: &Path, after: Duration) -> Vec<(String, i64, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let lines = out.lines().map_while(Result::ok);
        let said = lines.filter_map(|line| {
            // The first line comes behind the test harness's own words.
            let line = line
                .split_once("ASKED ")
                .map_or(line.clone(), |(_, rest)| format!("ASKED {rest}"));
            let mut parts = line.split(' ');
            let word = parts
                .next()
                .filter(|word| matches!(*word, "ASKED" | "FINISHED"))?;
            let answer = parts.next()?.parse().ok()?;
            let number = parts.next().and_then(|n| n.parse().ok()).unwrap_or(0);
            Some((word.to_owned(), answer, number))
        });
        said.collect::<Vec<_>>()
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn nothing_finished_is_lost_when_the_program_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut finished_in_all = 0;
    for time in 0..TIMES {
        if time % 10 == 0 {
            // Also into the making of a new database.
            std::fs::remove_dir_all(folder.path()).unwrap();
            std::fs::create_dir(folder.path()).unwrap();
        }
        // From before the database is there to well into the writing; not twice the same.
        let said = run_and_kill(folder.path(), Duration::from_millis(20 + time * 37 % 400));
        runtime().block_on(async {
            let opened = Store::open(folder.path()).await.unwrap();
            assert!(
                opened.rescued.is_none(),
                "round {time}: the database was damaged"
            );
            let store = opened.store;
            for (word, answer, number) in &said {
                let message = store.message(*answer).await;
                let message = message.unwrap_or_else(|e| panic!("round {time}: {answer}: {e}"));
                assert_eq!(message.role, Role::Assistant);
                if word == "FINISHED" {
                    finished_in_all += 1;
                    assert_eq!(message.status, MessageStatus::Complete, "round {time}");
                    assert_eq!(message.text, words(*number), "round {time}");
                } else if message.status != MessageStatus::Complete {
                    assert_eq!(message.status, MessageStatus::Interrupted, "round {time}");
                }
            }
            store.close().await;
        });
    }
    assert!(
        finished_in_all > 50,
        "only {finished_in_all} answers were ever finished"
    );
}
