//! The table of messages: a tree for each thread, of which one branch is shown.
//!
//! A question that is worded anew and an answer that is made anew become siblings of the old
//! ones. Every message remembers which of its children was shown last.

use crate::threads::NEXT_ACTIVITY;
use crate::{Error, PictureId, PictureRow, Result, Store, now, spacing};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, Sqlite, Transaction};
use std::collections::HashMap;

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// How far an answer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageStatus {
    /// It is being worked on.
    Writing,
    /// The model ended it; also every question.
    Complete,
    /// It reached its greatest length.
    Cut,
    /// It went round in circles.
    Repeating,
    /// The person stopped it.
    Stopped,
    /// The program ended before it was finished.
    Interrupted,
    /// It failed.
    Failed,
}

const STATUSES: [(MessageStatus, &str); 7] = [
    (MessageStatus::Writing, "writing"),
    (MessageStatus::Complete, "complete"),
    (MessageStatus::Cut, "cut"),
    (MessageStatus::Repeating, "repeating"),
    (MessageStatus::Stopped, "stopped"),
    (MessageStatus::Interrupted, "interrupted"),
    (MessageStatus::Failed, "failed"),
];

impl MessageStatus {
    fn name(self) -> &'static str {
        STATUSES
            .iter()
            .find(|(status, _)| *status == self)
            .map_or("failed", |(_, name)| name)
    }

    /// A word that is not known can only come from a damaged row.
    fn named(name: &str) -> Self {
        STATUSES
            .iter()
            .find(|(_, known)| *known == name)
            .map_or(Self::Failed, |(status, _)| *status)
    }
}

/// A picture where it is used, with the name it had there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureUse {
    /// The picture.
    pub picture: PictureRow,
    /// Its file's name; empty when it came without one.
    pub name: String,
}

/// Messages with the same parent, oldest first.
pub type Siblings = Vec<i64>;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Names it.
    pub id: i64,
    /// Its thread.
    pub thread: i64,
    /// What it follows.
    pub parent: Option<i64>,
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub text: String,
    /// When.
    pub created_at: i64,
    /// How far it got.
    pub status: MessageStatus,
    /// JSON of the use cases: how a question is to be answered.
    pub options: Option<String>,
    /// JSON of the use cases: speed and size of an answer.
    pub stats: Option<String>,
    /// JSON of the use cases: why an answer failed.
    pub error: Option<String>,
    /// The question's pictures.
    pub pictures: Vec<PictureUse>,
    /// Itself and its alternatives.
    pub siblings: Siblings,
}

/// A question to be entered.
#[derive(Debug, Clone)]
pub struct NewQuestion<'a> {
    /// Its thread; `None` begins one.
    pub thread: Option<i64>,
    /// What it follows; `None` for the first.
    pub parent: Option<i64>,
    /// What is asked.
    pub text: &'a str,
    /// JSON of the use cases.
    pub options: &'a str,
    /// Its pictures and their names.
    pub pictures: &'a [(PictureId, String)],
    /// The title of a new thread.
    pub title: &'a str,
}

/// A question that was entered, with the answer that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The thread, perhaps new.
    pub thread: i64,
    /// The question.
    pub question: i64,
    /// The answer, `Writing` and empty.
    pub answer: i64,
}

/// How an answer ended.
#[derive(Debug, Clone)]
pub struct Finished<'a> {
    /// All of it.
    pub text: &'a str,
    /// How.
    pub status: MessageStatus,
    /// JSON of the use cases.
    pub stats: Option<&'a str>,
    /// JSON of the use cases.
    pub error: Option<&'a str>,
}

/// A message without its text.
#[derive(Debug, Clone, Copy)]
struct Node {
    id: i64,
    parent: Option<i64>,
    shown: Option<i64>,
}

/// A thread's messages without their texts, in the order they were made.
struct Tree(Vec<Node>);

impl Tree {
    fn get(&self, id: i64) -> Option<&Node> {
        let at = self.0.binary_search_by_key(&id, |node| node.id).ok()?;
        self.0.get(at)
    }

    fn children(&self) -> HashMap<Option<i64>, Siblings> {
        let mut children: HashMap<Option<i64>, Siblings> = HashMap::new();
        for node in &self.0 {
            children.entry(node.parent).or_default().push(node.id);
        }
        children
    }

    /// The way from the root to `id`. A parent is always older than its child, so this ends.
    fn path(&self, id: i64) -> Vec<i64> {
        let mut path = Vec::new();
        let mut next = self.get(id);
        while let Some(node) = next {
            path.push(node.id);
            next = node
                .parent
                .filter(|parent| *parent < node.id)
                .and_then(|id| self.get(id));
        }
        path.reverse();
        path
    }

    /// Down from `id` along what was shown last, else along the newest.
    fn leaf_below(&self, id: i64) -> i64 {
        let children = self.children();
        let mut leaf = id;
        while let Some(below) = children.get(&Some(leaf)) {
            let shown = self.get(leaf).and_then(|node| node.shown);
            let next = shown
                .filter(|id| below.contains(id))
                .or(below.last().copied());
            match next.filter(|next| *next > leaf) {
                Some(next) => leaf = next,
                None => break,
            }
        }
        leaf
    }
}

impl Store {
    /// The branch of a thread that is shown, from its root on.
    pub async fn branch(&self, thread: i64) -> Result<Vec<Message>> {
        let leaf = self.thread(thread).await?.leaf;
        let tree = self.tree(thread).await?;
        // A leaf that is missing was lost to damage: the newest message takes its place.
        let leaf = leaf
            .filter(|leaf| tree.get(*leaf).is_some())
            .or(tree.0.last().map(|node| node.id));
        match leaf {
            Some(leaf) => self.messages(&tree, tree.path(leaf)).await,
            None => Ok(Vec::new()),
        }
    }

    /// The way from the root to a message, itself included.
    pub async fn branch_to(&self, message: i64) -> Result<Vec<Message>> {
        let thread = self.thread_of(message).await?;
        let tree = self.tree(thread).await?;
        self.messages(&tree, tree.path(message)).await
    }

    /// One message.
    pub async fn message(&self, id: i64) -> Result<Message> {
        let thread = self.thread_of(id).await?;
        let tree = self.tree(thread).await?;
        let found = self.messages(&tree, vec![id]).await?;
        found.into_iter().next().ok_or(Error::NotFound("message"))
    }

    /// The thread that a message lies in, if it is not deleted.
    pub async fn thread_of(&self, message: i64) -> Result<i64> {
        sqlx::query_scalar(
            "SELECT thread FROM messages JOIN threads ON threads.id = thread
             WHERE messages.id = ? AND deleted_at IS NULL",
        )
        .bind(message)
        .fetch_optional(&self.pools().reader)
        .await?
        .ok_or(Error::NotFound("message"))
    }

    /// Shows the branch that `message` lies on; returns its thread.
    pub async fn show(&self, message: i64) -> Result<i64> {
        let thread = self.thread_of(message).await?;
        let tree = self.tree(thread).await?;
        let path = tree.path(tree.leaf_below(message));
        let mut change = self.pools().begin().await?;
        show_path(&mut change, thread, &path).await?;
        change.commit().await?;
        Ok(thread)
    }

    /// Enters a question and the answer that is to be written, and empties the composer it came
    /// from. On the disk when this returns.
    pub async fn ask(&self, new: NewQuestion<'_>) -> Result<Asked> {
        let mut path = match new.parent {
            Some(parent) => {
                let thread = self.thread_of(parent).await?;
                self.tree(thread).await?.path(parent)
            }
            None => Vec::new(),
        };
        let at = now();
        let mut change = self.pools().begin().await?;
        let thread = match new.thread {
            Some(thread) => thread,
            None => new_thread(&mut change, new.title, at).await?,
        };
        let question = insert(&mut change, thread, new.parent, Role::User, new.text, at).await?;
        sqlx::query("UPDATE messages SET options = ? WHERE id = ?")
            .bind(new.options)
            .bind(question)
            .execute(&mut *change)
            .await?;
        add_pictures(&mut change, thread, question, new.pictures).await?;
        index(&mut change, question, new.text).await?;
        let answer = insert(&mut change, thread, Some(question), Role::Assistant, "", at).await?;
        path.extend([question, answer]);
        show_path(&mut change, thread, &path).await?;
        touch(&mut change, thread, at).await?;
        sqlx::query("DELETE FROM drafts WHERE thread = ?")
            .bind(new.thread.unwrap_or(0))
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(Asked {
            thread,
            question,
            answer,
        })
    }

    /// Enters another answer to a question, to be written, and shows it.
    pub async fn answer_again(&self, question: i64) -> Result<Asked> {
        let thread = self.thread_of(question).await?;
        let mut path = self.tree(thread).await?.path(question);
        let at = now();
        let mut change = self.pools().begin().await?;
        let answer = insert(&mut change, thread, Some(question), Role::Assistant, "", at).await?;
        path.push(answer);
        show_path(&mut change, thread, &path).await?;
        touch(&mut change, thread, at).await?;
        change.commit().await?;
        Ok(Asked {
            thread,
            question,
            answer,
        })
    }

    /// Marks an answer as being written again, and shows it.
    pub async fn resume(&self, answer: i64) -> Result<()> {
        let thread = self.thread_of(answer).await?;
        let path = self.tree(thread).await?.path(answer);
        let mut change = self.pools().begin().await?;
        sqlx::query("UPDATE messages SET status = 'writing', error = NULL WHERE id = ?")
            .bind(answer)
            .execute(&mut *change)
            .await?;
        show_path(&mut change, thread, &path).await?;
        touch(&mut change, thread, now()).await?;
        change.commit().await?;
        Ok(())
    }

    /// Keeps what has been written of an answer so far.
    pub async fn write_answer(&self, answer: i64, text: &str) -> Result<()> {
        let mut change = self.pools().begin().await?;
        sqlx::query("UPDATE messages SET text = ? WHERE id = ? AND status = 'writing'")
            .bind(text)
            .bind(answer)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }

    /// Keeps a finished answer and enters it into the search.
    pub async fn finish_answer(&self, answer: i64, end: Finished<'_>) -> Result<()> {
        let mut change = self.pools().begin().await?;
        sqlx::query("UPDATE messages SET text = ?, status = ?, stats = ?, error = ? WHERE id = ?")
            .bind(end.text)
            .bind(end.status.name())
            .bind(end.stats)
            .bind(end.error)
            .bind(answer)
            .execute(&mut *change)
            .await?;
        index(&mut change, answer, end.text).await?;
        change.commit().await?;
        Ok(())
    }

    /// Marks what a former run left unfinished, and enters it into the search.
    pub(crate) async fn mark_interrupted(&self) -> Result<u32> {
        let mut change = self.pools().begin().await?;
        let left: Vec<(i64, String)> =
            sqlx::query_as("SELECT id, text FROM messages WHERE status = 'writing'")
                .fetch_all(&mut *change)
                .await?;
        for (id, text) in &left {
            sqlx::query("UPDATE messages SET status = 'interrupted' WHERE id = ?")
                .bind(id)
                .execute(&mut *change)
                .await?;
            index(&mut change, *id, text).await?;
        }
        if left.is_empty() {
            change.rollback().await?;
        } else {
            change.commit().await?;
        }
        Ok(u32::try_from(left.len()).unwrap_or(u32::MAX))
    }

    async fn tree(&self, thread: i64) -> Result<Tree> {
        let rows: Vec<(i64, Option<i64>, Option<i64>)> =
            sqlx::query_as("SELECT id, parent, shown FROM messages WHERE thread = ? ORDER BY id")
                .bind(thread)
                .fetch_all(&self.pools().reader)
                .await?;
        let nodes = rows
            .into_iter()
            .map(|(id, parent, shown)| Node { id, parent, shown });
        Ok(Tree(nodes.collect()))
    }

    /// The messages `ids`, in that order.
    async fn messages(&self, tree: &Tree, ids: Vec<i64>) -> Result<Vec<Message>> {
        let list = serde_json::Value::from(ids.clone()).to_string();
        let pools = self.pools();
        let rows = sqlx::query(
            "SELECT id, thread, parent, role, text, created_at, status, options, stats, error
             FROM messages WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        )
        .bind(&list)
        .fetch_all(&pools.reader)
        .await?;
        let mut pictures = self.pictures_of(&list).await?;
        let children = tree.children();
        let mut messages = HashMap::new();
        for row in &rows {
            let mut message = read(row)?;
            message.pictures = pictures.remove(&message.id).unwrap_or_default();
            message.siblings = children.get(&message.parent).cloned().unwrap_or_default();
            messages.insert(message.id, message);
        }
        Ok(ids.iter().filter_map(|id| messages.remove(id)).collect())
    }

    async fn pictures_of(&self, messages: &str) -> Result<HashMap<i64, Vec<PictureUse>>> {
        let rows = sqlx::query(
            "SELECT message, id, extension, bytes, width, height, warnings, name
             FROM message_pictures JOIN pictures ON pictures.id = picture
             WHERE message IN (SELECT value FROM json_each(?)) ORDER BY message, position",
        )
        .bind(messages)
        .fetch_all(&self.pools().reader)
        .await?;
        let mut found: HashMap<i64, Vec<PictureUse>> = HashMap::new();
        for row in &rows {
            found
                .entry(row.try_get("message")?)
                .or_default()
                .push(PictureUse {
                    picture: PictureRow::read(row)?,
                    name: row.try_get("name")?,
                });
        }
        Ok(found)
    }
}

fn read(row: &SqliteRow) -> Result<Message> {
    let role: String = row.try_get("role")?;
    let status: String = row.try_get("status")?;
    Ok(Message {
        id: row.try_get("id")?,
        thread: row.try_get("thread")?,
        parent: row.try_get("parent")?,
        role: if role == "user" {
            Role::User
        } else {
            Role::Assistant
        },
        text: row.try_get("text")?,
        created_at: row.try_get("created_at")?,
        status: MessageStatus::named(&status),
        options: row.try_get("options")?,
        stats: row.try_get("stats")?,
        error: row.try_get("error")?,
        pictures: Vec::new(),
        siblings: Vec::new(),
    })
}

type Change = Transaction<'static, Sqlite>;

async fn new_thread(change: &mut Change, title: &str, at: i64) -> Result<i64> {
    let sql = format!(
        "INSERT INTO threads (title, created_at, updated_at, activity)
         VALUES (?1, ?2, ?2, {NEXT_ACTIVITY}) RETURNING id"
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(title)
        .bind(at)
        .fetch_one(&mut **change)
        .await?)
}

async fn insert(
    change: &mut Change,
    thread: i64,
    parent: Option<i64>,
    role: Role,
    text: &str,
    at: i64,
) -> Result<i64> {
    let (role, status) = match role {
        Role::User => ("user", MessageStatus::Complete),
        Role::Assistant => ("assistant", MessageStatus::Writing),
    };
    let id = sqlx::query_scalar(
        "INSERT INTO messages (thread, parent, role, text, created_at, status)
         SELECT threads.id, ?2, ?3, ?4, ?5, ?6 FROM threads
         WHERE threads.id = ?1 AND deleted_at IS NULL RETURNING id",
    )
    .bind(thread)
    .bind(parent)
    .bind(role)
    .bind(text)
    .bind(at)
    .bind(status.name())
    .fetch_optional(&mut **change)
    .await?;
    id.ok_or(Error::NotFound("thread"))
}

async fn add_pictures(
    change: &mut Change,
    thread: i64,
    question: i64,
    pictures: &[(PictureId, String)],
) -> Result<()> {
    for (position, (id, name)) in (0_i64..).zip(pictures) {
        let entered = sqlx::query(
            "INSERT INTO message_pictures (message, position, picture, name)
             SELECT ?1, ?2, id, ?4 FROM pictures WHERE id = ?3",
        )
        .bind(question)
        .bind(position)
        .bind(id.as_str())
        .bind(name)
        .execute(&mut **change)
        .await?;
        if entered.rows_affected() == 0 {
            return Err(Error::NotFound("picture"));
        }
    }
    if let Some((first, _)) = pictures.first() {
        sqlx::query("UPDATE threads SET thumbnail = ? WHERE id = ? AND thumbnail IS NULL")
            .bind(first.as_str())
            .bind(thread)
            .execute(&mut **change)
            .await?;
    }
    Ok(())
}

/// Makes `path` the branch that is shown.
async fn show_path(change: &mut Change, thread: i64, path: &[i64]) -> Result<()> {
    for pair in path.windows(2) {
        if let [parent, child] = pair {
            sqlx::query("UPDATE messages SET shown = ?1 WHERE id = ?2 AND shown IS NOT ?1")
                .bind(child)
                .bind(parent)
                .execute(&mut **change)
                .await?;
        }
    }
    sqlx::query("UPDATE threads SET leaf = ? WHERE id = ?")
        .bind(path.last())
        .bind(thread)
        .execute(&mut **change)
        .await?;
    Ok(())
}

/// Moves a thread to the top of the list.
async fn touch(change: &mut Change, thread: i64, at: i64) -> Result<()> {
    let sql = format!("UPDATE threads SET updated_at = ?, activity = {NEXT_ACTIVITY} WHERE id = ?");
    sqlx::query(AssertSqlSafe(sql))
        .bind(at)
        .bind(thread)
        .execute(&mut **change)
        .await?;
    Ok(())
}

/// Enters a message into the search, in place of what it said before.
async fn index(change: &mut Change, message: i64, text: &str) -> Result<()> {
    sqlx::query("DELETE FROM search WHERE rowid = ?")
        .bind(message)
        .execute(&mut **change)
        .await?;
    if !text.is_empty() {
        sqlx::query("INSERT INTO search (rowid, text) VALUES (?, ?)")
            .bind(message)
            .bind(spacing::spaced(text))
            .execute(&mut **change)
            .await?;
    }
    Ok(())
}
