//! What a run will do with each file, settled before the model is loaded: a full disk, a folder
//! that cannot be written to or a wrong name is told at once and not after an hour.

use super::{CaptionJob, Row};
use crate::failure::Failure;
use crate::sidecar::{self, Names};
use crate::text::shown;
use crate::walk::{Found, Walk};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What happens to one file.
#[derive(Debug, PartialEq)]
pub(super) enum Act {
    /// It is captioned; the text file to write, if any.
    Caption(Option<PathBuf>),
    /// Its text file is there already.
    Kept(PathBuf),
    /// It cannot be reached.
    Failed(String),
}

/// One file of a run.
#[derive(Debug, PartialEq)]
pub(super) struct Task {
    pub(super) path: PathBuf,
    pub(super) act: Act,
}

impl Task {
    /// The row of a task that needs no model.
    pub(super) fn settled(&self) -> Option<Row> {
        match &self.act {
            Act::Caption(_) => None,
            Act::Kept(sidecar) => Some(Row::kept(&self.path, sidecar)),
            Act::Failed(reason) => Some(Row::failed(&self.path, reason)),
        }
    }
}

/// All files of a run, in order.
pub(super) struct Plan {
    pub(super) tasks: Vec<Task>,
    /// Tasks that need the model.
    pub(super) to_caption: usize,
    pub(super) links_skipped: usize,
}

impl Plan {
    /// Walks the sources; `stop` ends the walk early. Fails if captions cannot be written where
    /// they are wanted.
    pub(super) fn new(job: &CaptionJob, stop: impl Fn() -> bool) -> Result<Self, Failure> {
        let walk = Walk::through(&job.sources, job.follow_links, stop);
        let mut names = Names::default();
        let mut task = |found| match found {
            Found::Problem { path, reason } => Task {
                path,
                act: Act::Failed(reason),
            },
            Found::Picture(path) if !job.sidecars => Task {
                path,
                act: Act::Caption(None),
            },
            Found::Picture(path) => {
                let sidecar = names.for_picture(&path);
                let kept = !job.replace && sidecar.symlink_metadata().is_ok();
                let act = if kept {
                    Act::Kept(sidecar)
                } else {
                    Act::Caption(Some(sidecar))
                };
                Task { path, act }
            }
        };
        let tasks: Vec<Task> = walk.found.into_iter().map(&mut task).collect();
        check_folders(&tasks)?;
        let to_caption = tasks
            .iter()
            .filter(|task| matches!(task.act, Act::Caption(_)))
            .count();
        Ok(Self {
            tasks,
            to_caption,
            links_skipped: walk.links_skipped,
        })
    }
}

/// Whether every folder that is to get text files can be written to.
fn check_folders(tasks: &[Task]) -> Result<(), Failure> {
    let mut folders: BTreeMap<&Path, usize> = BTreeMap::new();
    for task in tasks {
        if let Act::Caption(Some(sidecar)) = &task.act {
            *folders.entry(sidecar::folder_of(sidecar)).or_default() += 1;
        }
    }
    for (folder, pictures) in folders {
        sidecar::check_writable(folder).map_err(|error| {
            Failure::new(format!(
                "text files cannot be written into {} ({error}); it holds {pictures} pictures to caption",
                shown(folder)
            ))
            .hint("without --output txt the captions go to standard output only")
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn plan(words: &[&str]) -> Result<Plan, Failure> {
        let cli = Cli::try_parse_from(["visavis", "caption"].iter().chain(words)).unwrap();
        let Command::Caption(args) = cli.command else {
            unreachable!("caption was parsed")
        };
        Plan::new(&args.into_job().unwrap(), || false)
    }

    #[test]
    fn text_files_that_are_there_are_kept_unless_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.jpg", "b.jpg", "a.txt"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let source = folder.path().to_str().unwrap();
        let acts = |words: &[&str]| {
            plan(words)
                .unwrap()
                .tasks
                .into_iter()
                .map(|t| t.act)
                .collect::<Vec<_>>()
        };
        let (a, b) = (folder.path().join("a.txt"), folder.path().join("b.txt"));
        assert_eq!(acts(&[source]), [Act::Caption(None), Act::Caption(None)]);
        let kept = [Act::Kept(a.clone()), Act::Caption(Some(b.clone()))];
        assert_eq!(acts(&[source, "--output", "txt"]), kept);
        let replaced = [Act::Caption(Some(a)), Act::Caption(Some(b))];
        assert_eq!(acts(&[source, "--output", "txt", "--replace"]), replaced);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            3,
            "planning writes nothing"
        );
    }

    #[test]
    fn what_is_missing_is_a_failed_row_and_the_rest_is_planned() {
        let folder = tempfile::tempdir().unwrap();
        let (there, gone) = (folder.path().join("a.jpg"), folder.path().join("gone"));
        std::fs::write(&there, "x").unwrap();
        let plan = plan(&[gone.to_str().unwrap(), there.to_str().unwrap()]).unwrap();
        assert_eq!((plan.tasks.len(), plan.to_caption), (2, 1));
        let row = plan.tasks[0].settled().unwrap();
        assert!(row.error.unwrap().contains("gone"));
        assert_eq!(plan.tasks[1].settled(), None);
    }
}
