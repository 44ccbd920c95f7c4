use crate::*;
use sqlx::ConnectOptions;
use std::path::Path;

async fn open(folder: &Path) -> Store {
    Store::open(folder).await.unwrap().store
}

fn question(text: &str) -> NewQuestion<'_> {
    NewQuestion {
        thread: None,
        parent: None,
        text,
        options: "{}",
        pictures: &[],
        title: text,
    }
}

fn whole(text: &str) -> Finished<'_> {
    Finished {
        text,
        status: MessageStatus::Complete,
        stats: None,
        error: None,
    }
}

/// Threads with a question and an answer each.
async fn fill(store: &Store, count: usize) {
    let threads: Vec<WholeThread> = (0..count)
        .map(|n| WholeThread {
            title: format!("Thread {n}"),
            created_at: 1_000_000 * i64::try_from(n).unwrap(),
            messages: vec![
                (Role::User, format!("Question {n} about 图片")),
                (
                    Role::Assistant,
                    format!("Answer {n}: {}", "some words ".repeat(40)),
                ),
            ],
        })
        .collect();
    store.add_threads(&threads).await.unwrap();
}

#[tokio::test]
async fn one_window_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).await;
    let second = Store::open(folder.path()).await;
    assert!(matches!(second, Err(Error::InUse { .. })));
    first.close().await;
    drop(first);
    open(folder.path()).await;
}

#[tokio::test]
async fn every_write_may_meet_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let before = store.ask(question("before")).await.unwrap();
    store
        .finish_answer(before.answer, whole("kept"))
        .await
        .unwrap();
    // The database may not grow any more: SQLite's own way to a full disk.
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(store.pools().writer())
        .await
        .unwrap();
    let limit = format!("PRAGMA max_page_count = {pages}");
    sqlx::query(sqlx::AssertSqlSafe(limit))
        .execute(store.pools().writer())
        .await
        .unwrap();
    let long = "word ".repeat(100_000);
    assert!(matches!(store.ask(question(&long)).await, Err(Error::Full)));
    assert!(matches!(
        store.finish_answer(before.answer, whole(&long)).await,
        Err(Error::Full)
    ));
    assert!(matches!(
        store.write_answer(before.answer, &long).await,
        Err(Error::Full) | Ok(())
    ));
    let branch = store.branch(before.thread).await.unwrap();
    assert_eq!(branch[1].text, "kept");
    assert_eq!(store.thread_count().await.unwrap(), 1);
    sqlx::query("PRAGMA max_page_count = 1000000")
        .execute(store.pools().writer())
        .await
        .unwrap();
    store.ask(question(&long)).await.unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    fill(&store, 3).await;
    sqlx::query("PRAGMA user_version = 77")
        .execute(store.pools().writer())
        .await
        .unwrap();
    store.close().await;
    drop(store);
    let database = folder.path().join("visavis.db");
    let before = std::fs::read(&database).unwrap();
    let refused = Store::open(folder.path()).await;
    assert!(
        matches!(refused, Err(Error::TooNew { found: 77, .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&database).unwrap(), before);
}

#[tokio::test]
async fn what_can_be_read_of_a_damaged_database_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    fill(&store, 400).await;
    store.rename_thread(7, "Named", true).await.unwrap();
    store.close().await;
    drop(store);
    let database = folder.path().join("visavis.db");
    let mut bytes = std::fs::read(&database).unwrap();
    // One page in the middle, which holds messages.
    let page = 4096;
    let at = bytes
        .windows(12)
        .position(|part| part == b"Answer 200: ")
        .unwrap()
        / page
        * page;
    bytes[at..at + page].fill(0x5a);
    std::fs::write(&database, &bytes).unwrap();
    // As after a power cut: a clean end would not be checked again.
    std::fs::write(folder.path().join("visavis.lock"), "in use").unwrap();
    let opened = Store::open(folder.path()).await.unwrap();
    let (aside, rescued) = opened.rescued.unwrap();
    assert_eq!(std::fs::read(&aside).unwrap().len(), bytes.len());
    assert_eq!(rescued.threads, 400);
    assert!((700..800).contains(&rescued.messages), "{rescued:?}");
    let store = opened.store;
    let query = SearchQuery::new("图片").unwrap();
    assert!(store.search(&query, None, 1000).await.unwrap().len() > 350);
    for id in [1, 200, 400] {
        let branch = store.branch(id).await.unwrap();
        let roles: Vec<Role> = branch.iter().map(|message| message.role).collect();
        assert!(
            roles.is_empty() || roles[0] == Role::User,
            "{id}: {roles:?}"
        );
    }
    assert_eq!(store.thread(7).await.unwrap().title, "Named");
    // Goes on as if nothing had been.
    store.ask(question("after")).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("visavis.db"),
        "not a database ".repeat(999),
    )
    .unwrap();
    let opened = Store::open(folder.path()).await.unwrap();
    let (aside, rescued) = opened.rescued.unwrap();
    assert_eq!((rescued.threads, rescued.messages), (0, 0));
    assert!(std::fs::read(aside).unwrap().starts_with(b"not a database"));
    opened.store.ask(question("a new beginning")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_index_is_built_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    fill(&store, 50).await;
    sqlx::query("UPDATE search_data SET block = x'00' WHERE id > 1")
        .execute(store.pools().writer())
        .await
        .unwrap();
    let query = SearchQuery::new("Question 图片").unwrap();
    assert_eq!(store.search(&query, None, 100).await.unwrap().len(), 50);
}

#[tokio::test]
async fn a_former_version_is_kept_before_it_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    fill(&store, 3).await;
    let copy = folder.path().join("copy.db");
    migrate::migrate(&store.pools(), 0, || copy.clone())
        .await
        .unwrap_err();
    assert!(!copy.exists(), "an empty database needs no copy");
    migrate::copy_into(store.pools().writer(), &copy)
        .await
        .unwrap();
    let mut read = connection::read_only(&copy).connect().await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM messages")
        .fetch_one(&mut read)
        .await
        .unwrap();
    assert_eq!(count, 6);
    assert_eq!(migrate::version(&copy).await.unwrap(), migrate::newest());
}

#[tokio::test]
async fn answers_left_unfinished_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let asked = store.ask(question("why")).await.unwrap();
    store
        .write_answer(asked.answer, "because of the")
        .await
        .unwrap();
    drop(store);
    let opened = Store::open(folder.path()).await.unwrap();
    assert_eq!(opened.interrupted, 1);
    let answer = opened.store.message(asked.answer).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.status),
        ("because of the", MessageStatus::Interrupted)
    );
    let query = SearchQuery::new("because").unwrap();
    assert_eq!(opened.store.search(&query, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_restore_that_was_cut_short_ends_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    fill(&store, 2).await;
    let file = folder.path().join("all.visavis");
    store.back_up(&file).await.unwrap();
    fill(&store, 3).await;
    let checked = store.check_backup(&file).await.unwrap();
    assert_eq!(checked.threads, 2);
    store.close().await;
    drop(store);
    // The decision is written, and half of it is done.
    let unpacked = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .find(|name| name.starts_with("visavis-restore-"))
        .unwrap();
    let decision =
        format!("{{\"unpacked\":\"{unpacked}\",\"before\":\"visavis-before-restore-1\"}}");
    std::fs::write(folder.path().join("visavis-restore.json"), decision).unwrap();
    let before = folder.path().join("visavis-before-restore-1");
    std::fs::create_dir(&before).unwrap();
    std::fs::rename(folder.path().join("visavis.db"), before.join("visavis.db")).unwrap();
    let store = open(folder.path()).await;
    assert_eq!(store.thread_count().await.unwrap(), 2);
    assert!(!folder.path().join("visavis-restore.json").exists());
}

#[tokio::test]
async fn unused_pictures_go_and_shared_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let row = store
        .add_picture(b"not really a picture".to_vec(), "png", (3, 4), "[]".into())
        .await
        .unwrap();
    let used = [(row.id.clone(), "a.png".to_owned())];
    let mut new = question("one");
    new.pictures = &used;
    let first = store.ask(new.clone()).await.unwrap();
    let second = store.ask(new).await.unwrap();
    store.delete_thread(first.thread).await.unwrap();
    store.purge_threads(i64::MAX).await.unwrap();
    assert!(store.is_intact(&row));
    store.delete_thread(second.thread).await.unwrap();
    store.purge_threads(i64::MAX).await.unwrap();
    assert!(store.picture(&row.id).await.is_err());
    assert!(!store.picture_path(&row).exists());
}
