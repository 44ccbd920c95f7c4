//! Everything in one file, and back again.
//!
//! A backup is a tar archive: `visavis-backup.json`, `visavis.db` and the picture files. It is
//! unpacked and checked beside the data before anything is replaced, and the exchange is written
//! down first, so that a restore that is cut short comes to its end at the next start.

use crate::connection::{quick_check, read_write};
use crate::open::free_name;
use crate::{Error, Result, Store, files, migrate, now};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqlitePoolOptions;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

const MANIFEST: &str = "visavis-backup.json";
const DATABASE: &str = "visavis.db";
const PICTURES: &str = "pictures";
/// The decision to restore: which unpacked backup, and where what was there goes.
const DECISION: &str = "visavis-restore.json";
const FORMAT: u32 = 1;
/// A manifest of ours has some hundred bytes.
const LONGEST_MANIFEST: u64 = 1 << 16;

/// The first entry of a backup.
#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    data_version: i64,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct Decision {
    unpacked: String,
    before: String,
}

/// A backup that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFile {
    /// Where.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// A backup that was unpacked and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBackup {
    unpacked: PathBuf,
    /// The file it came from.
    pub path: PathBuf,
    /// When it was made.
    pub at: i64,
    /// Threads in it.
    pub threads: u32,
    /// Pictures in it.
    pub pictures: u32,
}

impl Store {
    /// Writes everything into one file; whole or not at all.
    pub async fn back_up(&self, path: &Path) -> Result<BackupFile> {
        let copy = free_name(self.folder(), "backup-part", "db");
        migrate::copy_into(self.pools().writer(), &copy).await?;
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT id, extension FROM pictures ORDER BY id")
                .fetch_all(&self.pools().reader)
                .await?;
        let (files, target, database) = (self.files().clone(), path.to_owned(), copy.clone());
        let written = tokio::task::spawn_blocking(move || {
            let entry = |(id, extension): &(String, String)| {
                let path = files.original(&id.parse().ok()?, extension);
                let name = format!("{PICTURES}/{}/{id}.{extension}", id.get(..2)?);
                // A file that was lost cannot be backed up; the rest can.
                path.is_file().then_some((name, path))
            };
            let pictures: Vec<(String, PathBuf)> = rows.iter().filter_map(entry).collect();
            write_archive(&target, &database, &pictures)
        })
        .await;
        remove(&copy)?;
        written.map_err(|error| Error::Database(error.to_string()))??;
        let bytes = fs::metadata(path)
            .map_err(|error| Error::io(path, error))?
            .len();
        Ok(BackupFile {
            path: path.to_owned(),
            bytes,
        })
    }

    /// Unpacks a backup beside the data and checks all of it. Changes nothing else.
    pub async fn check_backup(&self, path: &Path) -> Result<CheckedBackup> {
        let unpacked = free_name(self.folder(), "restore", "");
        let (source, target) = (path.to_owned(), unpacked.clone());
        let read = tokio::task::spawn_blocking(move || unpack(&source, &target)).await;
        let read = read.map_err(|error| Error::Database(error.to_string()))?;
        let checked = match read {
            Ok(at) => look_into(path, &unpacked, at).await,
            Err(error) => Err(error),
        };
        if checked.is_err() {
            remove(&unpacked)?;
        }
        checked
    }

    /// Replaces everything by a checked backup. What was there is kept beside it; what an earlier
    /// restore kept goes.
    pub async fn restore(&self, backup: &CheckedBackup) -> Result<()> {
        let name = |path: &Path| {
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .ok_or(Error::NotFound("backup"))
        };
        if !backup.unpacked.is_dir() {
            return Err(Error::NotFound("backup"));
        }
        for path in named(self.folder(), "visavis-before-restore-")? {
            remove(&path)?;
        }
        let before = free_name(self.folder(), "before-restore", "");
        let decision = Decision {
            unpacked: name(&backup.unpacked)?,
            before: name(&before)?,
        };
        let path = self.folder().join(DECISION);
        let text = serde_json::to_vec(&decision).map_err(|e| Error::Database(e.to_string()))?;
        let folder = self.folder().to_owned();
        self.exchange(move || {
            write_durably(&path, &text)?;
            finish_restore(&folder)
        })
        .await
    }

    /// Removes what unpacked backups left behind that were not restored.
    pub fn forget_checked(&self) -> Result<()> {
        for path in named(self.folder(), "visavis-restore-")? {
            remove(&path)?;
        }
        Ok(())
    }
}

fn write_archive(path: &Path, database: &Path, pictures: &[(String, PathBuf)]) -> Result<()> {
    let write = || {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        let mut archive = tar::Builder::new(BufWriter::new(file.as_file_mut()));
        archive.mode(tar::HeaderMode::Deterministic);
        let manifest = Manifest {
            format: FORMAT,
            data_version: migrate::newest(),
            at: now(),
        };
        let manifest = serde_json::to_vec_pretty(&manifest)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(manifest.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, MANIFEST, manifest.as_slice())?;
        archive.append_path_with_name(database, DATABASE)?;
        for (name, picture) in pictures {
            archive.append_path_with_name(picture, name)?;
        }
        archive.into_inner()?.flush()?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error: std::io::Error| Error::io(path, error))
}

/// Unpacks into a new folder; returns when the backup was made.
fn unpack(path: &Path, target: &Path) -> Result<i64> {
    let bad = |reason: &str| Error::BadBackup {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let unreadable = |error: std::io::Error| match Error::io(target, error) {
        Error::Io { source, .. } => bad(&format!("it is damaged or no backup ({source})")),
        other => other,
    };
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    fs::create_dir_all(target.join(PICTURES)).map_err(|error| Error::io(target, error))?;
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut entries = archive.entries().map_err(unreadable)?;
    let first = entries
        .next()
        .ok_or_else(|| bad("it is empty"))?
        .map_err(unreadable)?;
    if first.path().map_err(unreadable)? != Path::new(MANIFEST) {
        return Err(bad("it is no backup of Visavis"));
    }
    let mut text = Vec::new();
    first
        .take(LONGEST_MANIFEST)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|_| bad("it is no backup of Visavis"))?;
    if manifest.format != FORMAT || manifest.data_version > migrate::newest() {
        return Err(bad("a newer Visavis made it; install the newer version"));
    }
    for entry in entries {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry.path().map_err(unreadable)?.into_owned();
        if !entry.header().entry_type().is_file() || !is_ours(&name) {
            return Err(bad(&format!(
                "it holds {}, which is not ours",
                name.display()
            )));
        }
        let to = target.join(&name);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        }
        let mut out = File::create_new(&to).map_err(|error| Error::io(&to, error))?;
        std::io::copy(&mut entry, &mut out).map_err(unreadable)?;
        out.sync_all().map_err(|error| Error::io(&to, error))?;
        if name != Path::new(DATABASE) && !is_intact(&to)? {
            return Err(bad(&format!("the picture {} is damaged", name.display())));
        }
    }
    Ok(manifest.at)
}

/// `visavis.db`, or `pictures/ab/<sha256>.<ext>`: an archive decides on no other path.
fn is_ours(name: &Path) -> bool {
    if name == Path::new(DATABASE) {
        return true;
    }
    let parts: Vec<&str> = name
        .components()
        .map(|part| match part {
            Component::Normal(part) => part.to_str().unwrap_or(""),
            _ => "",
        })
        .collect();
    let [PICTURES, short, file] = parts.as_slice() else {
        return false;
    };
    let Some((id, extension)) = file.split_once('.') else {
        return false;
    };
    id.parse::<crate::PictureId>().is_ok()
        && id.starts_with(short)
        && short.len() == 2
        && extension.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Whether a picture file is named after what is in it.
fn is_intact(path: &Path) -> Result<bool> {
    let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
    let id = files::digest(&bytes);
    Ok(path
        .file_stem()
        .is_some_and(|stem| stem.to_string_lossy() == id.as_str()))
}

/// Checks the unpacked database and counts what is in it.
async fn look_into(path: &Path, unpacked: &Path, at: i64) -> Result<CheckedBackup> {
    let database = unpacked.join(DATABASE);
    let bad = |reason: String| Error::BadBackup {
        path: path.to_owned(),
        reason,
    };
    if !database.is_file() {
        return Err(bad("its database is missing".to_owned()));
    }
    let version = migrate::version(&database).await?;
    if version == 0 {
        return Err(bad("its database is empty".to_owned()));
    }
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(read_write(&database))
        .await?;
    let looked = async {
        quick_check(&pool).await?;
        let count: (u32, u32) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM threads WHERE deleted_at IS NULL),
                    (SELECT count(*) FROM pictures)",
        )
        .fetch_one(&pool)
        .await?;
        Ok::<_, Error>(count)
    }
    .await;
    pool.close().await;
    let (threads, pictures) = looked.map_err(|error| bad(error.to_string()))?;
    Ok(CheckedBackup {
        unpacked: unpacked.to_owned(),
        path: path.to_owned(),
        at,
        threads,
        pictures,
    })
}

/// Brings a restore that was decided to its end; nothing to do when none was. Can be repeated
/// from any point at which it was cut short: the database is exchanged last, and as long as the
/// unpacked one is there, nothing of the new has been opened.
pub(crate) fn finish_restore(folder: &Path) -> Result<()> {
    let path = folder.join(DECISION);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(&path, error)),
    };
    // A decision that was itself cut short decided nothing.
    if let Ok(decision) = serde_json::from_slice::<Decision>(&text) {
        let unpacked = folder.join(&decision.unpacked);
        let before = folder.join(&decision.before);
        if unpacked.join(DATABASE).exists() {
            fs::create_dir_all(&before).map_err(|error| Error::io(&before, error))?;
            for name in ["visavis.db-wal", "visavis.db-shm", "thumbnails"] {
                moved(&folder.join(name), &before.join(name))?;
            }
            for name in [PICTURES, DATABASE] {
                if unpacked.join(name).exists() {
                    moved(&folder.join(name), &before.join(name))?;
                    moved(&unpacked.join(name), &folder.join(name))?;
                }
            }
        }
        remove(&unpacked)?;
    }
    remove(&path)
}

/// Renames what is there; what is not there is no error.
fn moved(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(from, error)),
        _ => Ok(()),
    }
}

/// Removes a file or folder; what is not there is no error.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}

/// The entries of the folder whose names begin with `start`.
fn named(folder: &Path, start: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(start))
        })
        .collect())
}

fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| Error::io(path, error))
}
