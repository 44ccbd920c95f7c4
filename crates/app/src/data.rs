//! The data folder: keeping a copy, bringing one back, starting afresh.

use crate::state::{App, AppEvent};
use crate::{AppError, Code, Result};
use std::path::Path;
use visavis_store::{BackupFile, CheckedBackup, Whole};

impl App {
    /// How much is in the data folder.
    pub async fn whole(&self) -> Result<Whole> {
        Ok(self.store.whole().await?)
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        self.store.folder()
    }

    /// Writes everything into one file.
    pub async fn back_up(&self, path: &Path) -> Result<BackupFile> {
        Ok(self.store.back_up(path).await?)
    }

    /// Checks a backup; changes nothing.
    pub async fn check_backup(&self, path: &Path) -> Result<CheckedBackup> {
        Ok(self.store.check_backup(path).await?)
    }

    /// Replaces everything by a checked backup.
    pub async fn restore(&self, backup: &CheckedBackup) -> Result<()> {
        self.settle()?;
        self.store.restore(backup).await?;
        self.read_settings().await?;
        self.tell(AppEvent::Everything);
        Ok(())
    }

    /// Deletes every thread, picture, draft and setting. Models stay.
    pub async fn delete_everything(&self) -> Result<()> {
        self.settle()?;
        self.store.delete_everything().await?;
        self.read_settings().await?;
        self.lock(&self.decoded).clear();
        self.tell(AppEvent::Everything);
        Ok(())
    }

    /// Exchanging the data under an answer would write it into other data.
    fn settle(&self) -> Result<()> {
        if self.lock(&self.running).is_empty() {
            return Ok(());
        }
        Err(
            AppError::new(Code::Busy, "An answer is still being written.")
                .hint("Wait for it or stop it, then try again."),
        )
    }
}
