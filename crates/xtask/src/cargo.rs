//! Starting cargo, and the programs cargo built, from inside `cargo xtask`.

use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

/// The workspace without xtask itself, which is compiled with another profile.
pub(crate) const WORKSPACE: [&str; 3] = ["--workspace", "--exclude", "visavis-xtask"];

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    // Asked at run time first: with a target folder that several checkouts share, this program
    // may have been compiled for another one.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.ancestors().nth(2).map_or(here.clone(), PathBuf::from)
}

/// A cargo command that starts in the repository's root.
pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    forget_this_package(&mut command);
    command
}

/// Takes out the variables by which cargo described xtask to xtask.
///
/// Build scripts may ask to be run again when one of them changes, and so the same build would
/// be done twice: once from here, once from a plain `cargo build`.
fn forget_this_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let ours = text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_");
        if ours
            || matches!(
                text,
                "CARGO_CRATE_NAME" | "CARGO_BIN_NAME" | "CARGO_PRIMARY_PACKAGE"
            )
        {
            command.env_remove(name);
        }
    }
}

/// Whether `command` can be started and ends well. Prints nothing.
pub(crate) fn succeeds(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// A child's exit status as our own. A child that a signal ended counts as failed, except for an
/// interrupt, which is passed on the way shells do.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    if status.success() {
        return ExitCode::SUCCESS;
    }
    match status.code() {
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        None => ExitCode::from(if interrupted(status) { 130 } else { 1 }),
    }
}

#[cfg(unix)]
fn interrupted(status: ExitStatus) -> bool {
    const SIGINT: i32 = 2;
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(SIGINT)
}

#[cfg(not(unix))]
fn interrupted(_status: ExitStatus) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn children_are_not_told_of_this_package() {
        let command = cargo(["--version"]);
        let removed = |wanted: &str| {
            command
                .get_envs()
                .any(|(name, value)| name == wanted && value.is_none())
        };
        assert!(removed("CARGO_PKG_NAME"));
        assert!(removed("CARGO_MANIFEST_DIR"));
        assert!(!removed("PATH"));
    }
}
