//! Opening the data folder: alone, checked, brought up to date, and mended where it is damaged.

use crate::connection::{Pools, quick_check};
use crate::files::PictureFiles;
use crate::lock::Lock;
use crate::rescue::{self, Rescued};
use crate::{Error, Result, backup, migrate};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

const DATABASE: &str = "visavis.db";
/// Files that belong to a database and go where it goes.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// The data folder, held by this process.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    pools: RwLock<Arc<Pools>>,
    files: PictureFiles,
    lock: Lock,
}

/// A store, and what happened while it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// The database was damaged: it was set aside here, and this much of it was saved.
    pub rescued: Option<(PathBuf, Rescued)>,
    /// The database was brought to a newer form; the copy from before.
    pub migrated: Option<PathBuf>,
    /// Answers that were being written when the program ended.
    pub interrupted: u32,
}

/// How much is in the data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// Threads.
    pub threads: u32,
    /// Pictures.
    pub pictures: u32,
    /// Bytes of database and pictures.
    pub bytes: u64,
}

/// What opening a database file came to.
struct Ready {
    pools: Pools,
    rescued: Option<(PathBuf, Rescued)>,
    migrated: Option<PathBuf>,
}

impl Store {
    /// Opens the data folder; it is created if missing.
    ///
    /// # Errors
    /// It cannot be written, another Visavis holds it, or its data is newer than this program.
    /// A damaged database is no error: it is set aside and what can be read is saved.
    pub async fn open(folder: &Path) -> Result<Opened> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let lock = Lock::take(folder)?;
        // A restore that was decided and then cut short comes to its end first.
        backup::finish_restore(folder)?;
        let ready = open_database(folder, lock.cut_short).await?;
        let store = Self {
            folder: folder.to_owned(),
            pools: RwLock::new(Arc::new(ready.pools)),
            files: PictureFiles::new(folder),
            lock,
        };
        let interrupted = store.mark_interrupted().await?;
        Ok(Opened {
            store,
            rescued: ready.rescued,
            migrated: ready.migrated,
            interrupted,
        })
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Closes the database and says that all is well. What comes after fails.
    pub async fn close(&self) {
        self.pools().close().await;
        self.lock.ended();
    }

    /// Counts what is there.
    pub async fn whole(&self) -> Result<Whole> {
        let pools = self.pools();
        let threads: u32 =
            sqlx::query_scalar("SELECT count(*) FROM threads WHERE deleted_at IS NULL")
                .fetch_one(&pools.reader)
                .await?;
        let (pictures, bytes): (u32, i64) =
            sqlx::query_as("SELECT count(*), coalesce(sum(bytes), 0) FROM pictures")
                .fetch_one(&pools.reader)
                .await?;
        let database = std::fs::metadata(self.database()).map_or(0, |found| found.len());
        Ok(Whole {
            threads,
            pictures,
            bytes: database + u64::try_from(bytes).unwrap_or(0),
        })
    }

    /// Deletes everything that a person said, added or set, copies included, in such a way that
    /// it cannot be read from the folder's files again. Models stay.
    pub async fn delete_everything(&self) -> Result<()> {
        let pools = self.pools();
        let mut change = pools.begin().await?;
        for table in [
            "DELETE FROM drafts",
            "DELETE FROM threads",
            "DELETE FROM pictures",
            "DELETE FROM settings",
            "DELETE FROM models",
            "DELETE FROM search",
            "DELETE FROM search_titles",
        ] {
            sqlx::query(table).execute(&mut *change).await?;
        }
        change.commit().await?;
        sqlx::query("VACUUM").execute(pools.writer()).await?;
        empty_log(&pools).await?;
        self.files.remove_all()?;
        for path in copies(&self.folder)? {
            backup::remove(&path)?;
        }
        Ok(())
    }

    pub(crate) fn pools(&self) -> Arc<Pools> {
        Arc::clone(&self.pools.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn files(&self) -> &PictureFiles {
        &self.files
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join(DATABASE)
    }

    /// Closes the database, lets `change` exchange its files, and opens what is there then.
    pub(crate) async fn exchange(&self, change: impl FnOnce() -> Result<()>) -> Result<()> {
        self.pools().close().await;
        let changed = change();
        // Opened again in any case: a store without a database would be of no use to anybody.
        let ready = open_database(&self.folder, false).await?;
        *self.pools.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ready.pools);
        changed
    }
}

/// Moves what the write-ahead log holds into the database and cuts the log to nothing.
pub(crate) async fn empty_log(pools: &Pools) -> Result<()> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(pools.writer())
        .await?;
    Ok(())
}

/// Opens the database, and rescues it when it turns out to be damaged.
async fn open_database(folder: &Path, check: bool) -> Result<Ready> {
    let database = folder.join(DATABASE);
    match bring_up(folder, &database, check).await {
        Ok((pools, migrated)) => Ok(Ready {
            pools,
            rescued: None,
            migrated,
        }),
        Err(error) if error.is_damage() => {
            tracing::error!(%error, "the database is damaged and is set aside");
            let aside = set_aside(folder, &database)?;
            let (pools, migrated) = bring_up(folder, &database, false).await?;
            let rescued = rescue::rescue(&aside, &pools).await?;
            Ok(Ready {
                pools,
                rescued: Some((aside, rescued)),
                migrated,
            })
        }
        Err(error) => Err(error),
    }
}

async fn bring_up(folder: &Path, database: &Path, check: bool) -> Result<(Pools, Option<PathBuf>)> {
    let version = migrate::version(database).await?;
    let pools = Pools::open(database).await?;
    let ready = async {
        if check && version > 0 {
            quick_check(pools.writer()).await?;
        }
        migrate::migrate(&pools, version, || free_name(folder, "before-update", "db")).await
    }
    .await;
    match ready {
        Ok(migrated) => Ok((pools, migrated)),
        Err(error) => {
            pools.close().await;
            Err(error)
        }
    }
}

/// Renames a damaged database and what belongs to it.
fn set_aside(folder: &Path, database: &Path) -> Result<PathBuf> {
    let aside = free_name(folder, "damaged", "db");
    std::fs::rename(database, &aside).map_err(|error| Error::io(database, error))?;
    for end in BESIDE {
        let (from, to) = (with_end(database, end), with_end(&aside, end));
        if from.exists() {
            std::fs::rename(&from, &to).map_err(|error| Error::io(&from, error))?;
        }
    }
    Ok(aside)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// A dated name that nothing has yet: `visavis-damaged-1764000000.db`.
pub(crate) fn free_name(folder: &Path, what: &str, extension: &str) -> PathBuf {
    let mut date = crate::now() / 1000;
    loop {
        let mut name = format!("visavis-{what}-{date}");
        if !extension.is_empty() {
            name = format!("{name}.{extension}");
        }
        let path = folder.join(name);
        if !path.exists() {
            return path;
        }
        date += 1;
    }
}

/// The dated copies in the folder: damaged databases and those from before an update or restore.
fn copies(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let dated = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("visavis-"))
    };
    Ok(entries
        .flatten()
        .map(|entry| entry.path())
        .filter(dated)
        .collect())
}
