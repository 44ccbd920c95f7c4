-- Threads, messages, pictures, drafts, settings, models, and the search index.
-- Times are milliseconds since 1970; JSON columns are read by the use cases, not by SQL.

CREATE TABLE threads (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    -- Whether a person gave the title.
    named INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Grows with every change, so that the order does not depend on the clock.
    activity INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    -- The last message of the branch that is shown.
    leaf INTEGER REFERENCES messages (id) ON DELETE SET NULL,
    thumbnail TEXT REFERENCES pictures (id) ON DELETE SET NULL,
    deleted_at INTEGER
) STRICT;
CREATE INDEX threads_listed ON threads (pinned DESC, activity DESC) WHERE deleted_at IS NULL;
CREATE INDEX threads_active ON threads (activity);
CREATE INDEX threads_leaf ON threads (leaf);
CREATE INDEX threads_thumbnail ON threads (thumbnail);

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    thread INTEGER NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    parent INTEGER REFERENCES messages (id) ON DELETE CASCADE,
    -- The child that was shown last; null takes the newest.
    shown INTEGER REFERENCES messages (id) ON DELETE SET NULL,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    options TEXT,
    stats TEXT,
    error TEXT
) STRICT;
CREATE INDEX messages_thread ON messages (thread);
CREATE INDEX messages_parent ON messages (parent);
CREATE INDEX messages_shown ON messages (shown);
CREATE INDEX messages_writing ON messages (id) WHERE status = 'writing';

CREATE TABLE pictures (
    -- sha256 of the bytes, in lower-case hexadecimal.
    id TEXT PRIMARY KEY,
    extension TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    warnings TEXT NOT NULL,
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE message_pictures (
    message INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    picture TEXT NOT NULL REFERENCES pictures (id),
    name TEXT NOT NULL,
    PRIMARY KEY (message, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_pictures_picture ON message_pictures (picture);

-- What stands in composers. Thread 0 is the composer of a new thread.
CREATE TABLE drafts (
    thread INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    options TEXT,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE draft_pictures (
    thread INTEGER NOT NULL REFERENCES drafts (thread) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    picture TEXT NOT NULL REFERENCES pictures (id),
    name TEXT NOT NULL,
    PRIMARY KEY (thread, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX draft_pictures_picture ON draft_pictures (picture);

CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Models that a person chose, and what was found in them.
CREATE TABLE models (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The path in the system's own bytes.
    location BLOB NOT NULL UNIQUE,
    info TEXT NOT NULL,
    used_at INTEGER NOT NULL
) STRICT;

-- Texts with a space around every Chinese, Japanese or Korean character, so that each is a word.
CREATE VIRTUAL TABLE search USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
-- Titles that a person gave; the others stand in the first question anyway.
CREATE VIRTUAL TABLE search_titles USING fts5 (title, tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO search_titles (search_titles, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER message_gone AFTER DELETE ON messages BEGIN
    DELETE FROM search WHERE rowid = old.id;
END;
CREATE TRIGGER thread_gone AFTER DELETE ON threads BEGIN
    DELETE FROM search_titles WHERE rowid = old.id;
    DELETE FROM drafts WHERE thread = old.id;
END;
