//! The table of settings: JSON values by key.

use crate::{Result, Store};

impl Store {
    /// A setting, as JSON.
    pub async fn setting(&self, key: &'static str) -> Result<Option<String>> {
        Ok(
            sqlx::query_scalar("SELECT value FROM settings WHERE key = ?")
                .bind(key)
                .fetch_optional(&self.pools().reader)
                .await?,
        )
    }

    /// Keeps a setting.
    pub async fn set_setting(&self, key: &'static str, value: &str) -> Result<()> {
        let mut change = self.pools().begin().await?;
        sqlx::query(
            "INSERT INTO settings (key, value) VALUES (?, ?)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(key)
        .bind(value)
        .execute(&mut *change)
        .await?;
        change.commit().await.map_err(Into::into)
    }
}
