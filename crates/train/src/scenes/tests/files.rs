//! The folder that is written.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn a_folder_holds_what_the_iterator_gives() {
    let folder = tempfile::tempdir().unwrap();
    let generator = generator(Split::Train, 31);
    let seen = AtomicU64::new(0);
    let progress = |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        true
    };
    let written = write_folder(&generator, folder.path(), 5..25, false, &progress).unwrap();
    assert_eq!((written.conversations, seen.into_inner()), (20, 20));
    let text = std::fs::read_to_string(&written.data).unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(rows.len(), 20);
    for (row, index) in rows.iter().zip(5..) {
        let sample = generator.conversation(index);
        let turns = row["conversations"].as_array().unwrap();
        assert_eq!(turns.len(), 2 * sample.turns.len());
        let first = turns[0]["value"].as_str().unwrap();
        assert_eq!(
            first.strip_prefix("<image>\n"),
            Some(sample.turns[0].question.as_str())
        );
        assert_eq!(
            (&turns[0]["from"], &turns[1]["from"]),
            (&"human".into(), &"gpt".into())
        );
        assert!(
            !text[1..].is_empty()
                && turns[1..]
                    .iter()
                    .all(|t| !t["value"].as_str().unwrap().contains("<image>"))
        );
        let path = written.images.join(row["image"].as_str().unwrap());
        let picture = image::open(&path).unwrap().to_rgb8();
        assert!(
            picture == generator.picture_as_filed(&sample),
            "{}",
            path.display()
        );
    }
}

#[test]
fn captions_are_one_answer_each() {
    let folder = tempfile::tempdir().unwrap();
    let generator = generator(Split::Train, 32);
    let written = write_folder(&generator, folder.path(), 0..10, true, &|_| true).unwrap();
    assert_eq!(written.turns, 10);
}

#[test]
fn a_stop_leaves_no_data_file() {
    let folder = tempfile::tempdir().unwrap();
    let generator = generator(Split::Train, 33);
    let stopped = write_folder(&generator, folder.path(), 0..50, false, &|done| done < 5);
    assert_eq!(stopped.unwrap_err().kind(), std::io::ErrorKind::Interrupted);
    assert!(!folder.path().join("data.json").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in the way");
    std::fs::write(&file, "x").unwrap();
    let generator = generator(Split::Train, 34);
    let error = write_folder(&generator, &file, 0..1, false, &|_| true).unwrap_err();
    assert!(error.to_string().contains("in the way"), "{error}");
}
