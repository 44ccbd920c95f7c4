//! What is kept, found, undone, backed up and deleted.

use super::support::*;
use crate::{AnswerOptions, AppEvent, Code, SettingsChange, Theme};

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_ordered_paged_and_pinned() {
    let house = House::new(quick(vec![answer("", "Yes.")])).await;
    let mut threads = Vec::new();
    for number in 0..5 {
        threads.push(house.say(None, &format!("Question {number}?")).await.thread);
    }
    house.app.pin_thread(threads[1], true).await.unwrap();
    house.say(Some(threads[0]), "Again.").await;
    let first = house.app.threads(None, 3).await.unwrap();
    let ids: Vec<i64> = first.threads.iter().map(|thread| thread.id).collect();
    assert_eq!(ids, [threads[1], threads[0], threads[4]]);
    assert_eq!(first.total, 5);
    let rest = house.app.threads(first.next.as_deref(), 3).await.unwrap();
    let ids: Vec<i64> = rest.threads.iter().map(|thread| thread.id).collect();
    assert_eq!((ids, rest.next), (vec![threads[3], threads[2]], None));
    assert!(house.app.threads(Some("nonsense"), 3).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn titles_can_be_given_and_taken_back() {
    let house = House::new(quick(Vec::new())).await;
    let thread = house.say(None, "What is this?").await.thread;
    house
        .app
        .rename_thread(thread, "  The\n grey cat ")
        .await
        .unwrap();
    let title = |page: crate::ThreadPage| page.threads[0].title.clone();
    assert_eq!(
        title(house.app.threads(None, 9).await.unwrap()),
        "The grey cat"
    );
    let found = house.app.search("grey", None).await.unwrap();
    assert_eq!((found.hits.len(), found.hits[0].message), (1, None));
    house.app.rename_thread(thread, " ").await.unwrap();
    assert_eq!(
        title(house.app.threads(None, 9).await.unwrap()),
        "What is this?"
    );
    assert!(
        house
            .app
            .search("grey", None)
            .await
            .unwrap()
            .hits
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_found_in_chinese_too() {
    let house = House::new(quick(vec![answer("", "图里有两只猫，都在睡觉。Two cats.")])).await;
    house.say(None, "图片里有什么动物？").await;
    house.say(None, "something else").await;
    let find = async |text: &str| house.app.search(text, None).await.unwrap().hits;
    assert_eq!(find("动物").await.len(), 1);
    assert_eq!(find("只猫").await.len(), 2);
    assert_eq!(find("猫 cats").await.len(), 2);
    assert_eq!(find("猫狗").await.len(), 0);
    assert_eq!(find("CAT").await.len(), 2);
    assert_eq!(find("\"' OR *").await.len(), 0);
    let hit = &find("睡觉").await[0];
    let marked: Vec<u16> = hit.snippet.encode_utf16().collect();
    let (from, to) = hit.marks[0];
    let word = String::from_utf16(&marked[from as usize..to as usize]).unwrap();
    assert_eq!(word, "睡觉");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_is_undone_or_final() {
    let house = House::new(quick(vec![answer("", "A secret answer.")])).await;
    let picture = with_picture(&house.app, "cat.jpg").await;
    let mut asked = question(None, "A secret question?");
    asked.pictures = vec![picture.clone()];
    let (_, events) = house.app.ask(asked).await.unwrap();
    let thread = finished(events).await.thread;
    house.app.delete_thread(thread).await.unwrap();
    assert_eq!(
        house.app.open_thread(thread).await.unwrap_err().code,
        Code::NotFound
    );
    assert!(
        house
            .app
            .search("secret", None)
            .await
            .unwrap()
            .hits
            .is_empty()
    );
    house.app.restore_thread(thread).await.unwrap();
    assert_eq!(
        house.app.open_thread(thread).await.unwrap().messages.len(),
        2
    );
    house.app.delete_thread(thread).await.unwrap();
    assert_eq!(house.app.store.purge_threads(i64::MAX).await.unwrap(), 1);
    assert_eq!(
        house.app.restore_thread(thread).await.unwrap_err().code,
        Code::NotFound
    );
    let shown = house
        .app
        .show(picture.0.as_str(), crate::Rendition::Thumbnail)
        .await;
    assert!(shown.is_err(), "the picture went with its last thread");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_drafts_survive() {
    let house = House::new(quick(Vec::new())).await;
    let change = SettingsChange {
        theme: Some(Theme::Dark),
        text_size: Some(5000),
        ..SettingsChange::default()
    };
    let saved = house.app.save_settings(change).await.unwrap();
    assert_eq!((saved.theme, saved.text_size), (Theme::Dark, 200));
    let picture = with_picture(&house.app, "cat.jpg").await;
    let options = Some(AnswerOptions::default());
    house
        .app
        .save_draft(
            None,
            "half a quest",
            std::slice::from_ref(&picture),
            options,
        )
        .await
        .unwrap();
    let house = house.restart(quick(vec![answer("", "Yes.")])).await;
    let start = house.app.start().await.unwrap();
    assert_eq!(start.settings, saved);
    assert_eq!(
        (start.draft.text.as_str(), start.draft.pictures.len()),
        ("half a quest", 1)
    );
    house.say(None, "sent").await;
    assert_eq!(house.app.draft(None).await.unwrap().text, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_into_a_backup_and_comes_back() {
    let house = House::new(quick(vec![answer("", "Yes.")])).await;
    let picture = with_picture(&house.app, "flower.jpg").await;
    let mut asked = question(None, "Before?");
    asked.pictures = vec![picture.clone()];
    let (_, events) = house.app.ask(asked).await.unwrap();
    let before = finished(events).await;
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("all.visavis");
    house.app.back_up(&file).await.unwrap();
    house.app.delete_everything().await.unwrap();
    assert_eq!(house.app.whole().await.unwrap().threads, 0);
    house.use_tiny().await;
    house.say(None, "After?").await;
    let mut events = house.app.events();
    let checked = house.app.check_backup(&file).await.unwrap();
    assert_eq!((checked.threads, checked.pictures), (1, 1));
    assert!(
        !house
            .app
            .search("After", None)
            .await
            .unwrap()
            .hits
            .is_empty()
    );
    house.app.restore(&checked).await.unwrap();
    let mut told = false;
    while let Ok(event) = events.try_recv() {
        told |= matches!(event, AppEvent::Everything);
    }
    assert!(told);
    let view = house.app.open_thread(before.thread).await.unwrap();
    assert_eq!(view.messages[0].pictures[0].id, picture.0);
    assert!(
        house
            .app
            .search("After", None)
            .await
            .unwrap()
            .hits
            .is_empty()
    );
    let shown = house
        .app
        .show(picture.0.as_str(), crate::Rendition::Display)
        .await;
    assert_eq!(
        shown.unwrap().bytes,
        std::fs::read(photograph("flower.jpg")).unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_backup_changes_nothing() {
    let house = House::new(quick(vec![answer("", "Yes.")])).await;
    house.say(None, "Still here?").await;
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("all.visavis");
    house.app.back_up(&file).await.unwrap();
    let whole = std::fs::read(&file).unwrap();
    let mut bad = vec![
        Vec::new(),
        b"hello".to_vec(),
        std::fs::read(photograph("cat.jpg")).unwrap(),
    ];
    bad.extend([100, 700, 1500, whole.len() / 2].map(|cut| whole[..cut].to_vec()));
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    bad.push(flipped);
    let other = outside.path().join("bad.visavis");
    for bytes in bad {
        std::fs::write(&other, &bytes).unwrap();
        // A flipped byte may lie in a free part of a page and do no harm; then it is restored.
        let checked = house.app.check_backup(&other).await;
        assert!(
            checked.is_err() || bytes.len() == whole.len(),
            "{} bytes",
            bytes.len()
        );
    }
    assert_eq!(house.app.search("Still", None).await.unwrap().hits.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_everything_leaves_no_word_on_the_disk() {
    let house = House::new(quick(vec![answer("", "Unforgettable-answer")])).await;
    let picture = with_picture(&house.app, "cat.jpg").await;
    let mut asked = question(None, "Unforgettable-question");
    asked.pictures = vec![picture];
    let (_, events) = house.app.ask(asked).await.unwrap();
    finished(events).await;
    house
        .app
        .back_up(&house.folder.path().join("visavis-kept.tar"))
        .await
        .unwrap();
    house.app.delete_everything().await.unwrap();
    let mut open = vec![house.folder.path().to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes
                .windows(13)
                .any(|part| part.eq_ignore_ascii_case(b"unforgettable"));
            assert!(!found, "{}", path.display());
            assert!(
                path.extension().is_none_or(|ending| ending != "jpg"),
                "{}",
                path.display()
            );
        }
    }
}
