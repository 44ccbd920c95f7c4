//! Finding rows that cannot be learned from: all of them, each with its reason, instead of the
//! first one in the middle of a training run.

use crate::Result;
use crate::conversation;
use crate::data::stream;
use crate::labels::{Template, tokens};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use visavis_llava::Tokenizer;
use visavis_llava::image::{DecodeOptions, Picture};

/// What is looked at besides the rows themselves.
#[derive(Default)]
pub struct Checks {
    /// The folder that `image` entries are relative to; without it pictures are not looked for.
    pub pictures: Option<PathBuf>,
    /// Only look whether pictures are there; do not decode them.
    pub quick: bool,
    /// Count tokens with this tokenizer, with so many positions for a picture, and report rows
    /// that are longer than the limit.
    pub length: Option<Length>,
}

/// How long a row may be.
pub struct Length {
    /// The model's tokenizer.
    pub tokenizer: Tokenizer,
    /// Positions of a picture.
    pub picture: usize,
    /// Positions of a conversation.
    pub limit: usize,
}

/// A row with a fault.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Its number in the file, from 1.
    pub row: usize,
    /// What it calls itself; may be empty.
    pub id: String,
    /// What is wrong.
    pub reason: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Findings {
    /// All rows.
    pub rows: usize,
    /// Rows with a picture.
    pub with_picture: usize,
    /// Pictures that rows name, each counted once.
    pub pictures: usize,
    /// Rows that are cut when they are learned from: no fault, but good to know.
    pub too_long: usize,
    /// Rows that cannot be learned from, in the order of the file.
    pub faults: Vec<Fault>,
}

/// Looks at every row of a LLaVA JSON file. `progress` is told how many pictures are looked at, of
/// how many, and may say stop; what is found until then is returned.
///
/// # Errors
/// When the file cannot be read or is no list of rows.
pub fn check(
    path: &Path,
    checks: &Checks,
    progress: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<Findings> {
    let mut findings = Findings::default();
    // Each picture once, with the rows that name it.
    let mut named: HashMap<PathBuf, Vec<(usize, String)>> = HashMap::new();
    stream::elements(path, None, &mut |_, value: serde_json::Value| {
        findings.rows += 1;
        let number = findings.rows;
        let id = match value.get("id") {
            Some(serde_json::Value::String(id)) => id.clone(),
            Some(id) => id.to_string(),
            None => String::new(),
        };
        let fault = |reason: String| Fault {
            row: number,
            id: id.clone(),
            reason,
        };
        let row = match conversation::row(value, number) {
            Ok(row) => row,
            Err(reason) => {
                findings.faults.push(fault(reason));
                return Ok(());
            }
        };
        if let Some(length) = &checks.length {
            findings.too_long += usize::from(is_too_long(&row, length)?);
        }
        if let Some(image) = row.image {
            findings.with_picture += 1;
            if is_outside(&image) {
                let reason = format!(
                    "the picture {} lies outside the picture folder",
                    image.display()
                );
                findings.faults.push(fault(reason));
            } else {
                named.entry(image).or_default().push((number, id.clone()));
            }
        }
        Ok(())
    })?;
    findings.pictures = named.len();
    if let Some(folder) = &checks.pictures {
        findings
            .faults
            .extend(pictures(folder, &named, checks.quick, progress));
    }
    findings.faults.sort_by_key(|fault| fault.row);
    Ok(findings)
}

/// Whether a name could reach files that are not the data's.
fn is_outside(image: &Path) -> bool {
    use std::path::Component;
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    !image.components().all(inside)
}

fn is_too_long(row: &conversation::Row, length: &Length) -> Result<bool> {
    let text = tokens(row, Template::V1, &length.tokenizer)?;
    let picture = if row.image.is_some() {
        length.picture
    } else {
        0
    };
    // The picture itself is one of the tokens.
    Ok(text.len() + picture.saturating_sub(1) > length.limit)
}

/// The faults of pictures, with as many threads as there are processors.
fn pictures(
    folder: &Path,
    named: &HashMap<PathBuf, Vec<(usize, String)>>,
    quick: bool,
    progress: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Vec<Fault> {
    let images: Vec<(&PathBuf, &Vec<(usize, String)>)> = named.iter().collect();
    let queue = Mutex::new((images.iter(), 0usize));
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let work = || {
        let mut faults = Vec::new();
        loop {
            let next = {
                let Ok(mut queue) = queue.lock() else { break };
                let next = queue.0.next();
                queue.1 += usize::from(next.is_some());
                next.filter(|_| progress(queue.1, images.len()))
            };
            let Some((image, rows)) = next else { break };
            if let Some(reason) = picture_fault(&folder.join(image), quick) {
                faults.extend(rows.iter().map(|(row, id)| Fault {
                    row: *row,
                    id: id.clone(),
                    reason: reason.clone(),
                }));
            }
        }
        faults
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        // Decoders that panic are caught where they are called.
        workers
            .into_iter()
            .filter_map(|worker| worker.join().ok())
            .flatten()
            .collect()
    })
}

fn picture_fault(path: &Path, quick: bool) -> Option<String> {
    if !path.is_file() {
        return Some(format!("the picture {} is missing", path.display()));
    }
    if quick {
        return None;
    }
    let opened = Picture::open(path, &DecodeOptions::default());
    opened
        .err()
        .map(|error| format!("the picture cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(id: &str, image: Option<&str>) -> serde_json::Value {
        let mark = if image.is_some() { "<image>\n" } else { "" };
        let mut row = json!({"id": id, "conversations": [
            {"from": "human", "value": format!("{mark}What is this?")},
            {"from": "gpt", "value": "A dot."},
        ]});
        if let Some(image) = image {
            row["image"] = image.into();
        }
        row
    }

    fn found(rows: &[serde_json::Value], quick: bool) -> Findings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.json");
        std::fs::write(&path, serde_json::to_vec(rows).unwrap()).unwrap();
        image::RgbImage::new(2, 2)
            .save(folder.path().join("dot.png"))
            .unwrap();
        std::fs::write(
            folder.path().join("broken.png"),
            b"\x89PNG\r\n\x1a\n no more",
        )
        .unwrap();
        let checks = Checks {
            pictures: Some(folder.path().to_owned()),
            quick,
            length: None,
        };
        check(&path, &checks, &|_, _| true).unwrap()
    }

    #[test]
    fn every_fault_is_named_with_its_row() {
        let mut broken = row("turns", None);
        broken["conversations"][1]["from"] = "bot".into();
        let rows = [
            row("good", Some("dot.png")),
            row("gone", Some("none.png")),
            broken,
            row("damaged", Some("broken.png")),
            row("text", None),
            row("gone too", Some("none.png")),
            row("sly", Some("../dot.png")),
            json!(3),
        ];
        let findings = found(&rows, false);
        assert_eq!(
            (findings.rows, findings.with_picture, findings.pictures),
            (8, 5, 3)
        );
        let faults: Vec<(usize, &str)> = findings
            .faults
            .iter()
            .map(|f| (f.row, f.id.as_str()))
            .collect();
        let expected = [
            (2, "gone"),
            (3, "turns"),
            (4, "damaged"),
            (6, "gone too"),
            (7, "sly"),
            (8, ""),
        ];
        assert_eq!(faults, expected);
        assert!(findings.faults[0].reason.contains("none.png is missing"));
        assert!(findings.faults[1].reason.contains("bot"));
        assert!(findings.faults[4].reason.contains("outside"));
        // Without decoding, damage stays hidden and absence does not.
        let quick: Vec<usize> = found(&rows, true).faults.iter().map(|f| f.row).collect();
        assert_eq!(quick, [2, 3, 6, 7, 8]);
    }

    #[test]
    fn sound_data_has_no_faults() {
        let findings = found(&[row("a", Some("dot.png")), row("b", None)], false);
        assert_eq!(findings.faults, []);
    }
}
