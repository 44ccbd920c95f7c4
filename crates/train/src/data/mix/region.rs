//! Regions: a phrase for a box, or a box for a phrase, whichever the dice say.

use super::rows::Rows;
use crate::Result;
use crate::data::stream::elements;
use crate::scenes::dice::Dice;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use visavis_llava::boxes::PixelBox;
use visavis_llava::prompt::style::{Ask, Style};

/// Strategy 6: a conversation has fewer turns than this.
const TURNS: usize = 10;
/// Strategy 5: annotations of one picture of Visual Genome.
const ANNOTATIONS: usize = 10;

/// A phrase and where it is, in pixels.
#[derive(Clone)]
struct Region {
    phrase: String,
    bounds: PixelBox,
}

impl Region {
    /// From corner and extent; `None` without a phrase or without an area.
    fn new(phrase: &str, [x, y, w, h]: [f64; 4]) -> Option<Self> {
        let sound = [x, y, w, h].iter().all(|v| v.is_finite()) && w > 0.0 && h > 0.0;
        let phrase = phrase.trim();
        (sound && !phrase.is_empty()).then(|| Self {
            phrase: phrase.to_owned(),
            bounds: PixelBox {
                x1: x,
                y1: y,
                x2: x + w,
                y2: y + h,
            },
        })
    }

    fn turn(&self, (width, height): (u32, u32), dice: &mut Dice) -> Result<(String, String)> {
        let bounds = self.bounds.to_square(width, height);
        let mut ask = Ask::default();
        if dice.chance(0.5) {
            ask.style = Style::Region;
            ask.region = Some(bounds);
            Ok((ask.prompt()?, self.phrase.clone()))
        } else {
            ask.style = Style::Box;
            ask.question.clone_from(&self.phrase);
            Ok((ask.prompt()?, bounds.to_string()))
        }
    }
}

#[derive(Deserialize)]
struct RefImage {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
    /// The expression.
    caption: String,
}

#[derive(Deserialize)]
struct RefAnnotation {
    image_id: u64,
    bbox: [f64; 4],
}

/// RefCOCO and its relatives. A picture's expressions are one conversation, cut into pieces.
pub(super) fn refcoco(file: &Path, rows: &mut Rows, dice: &mut Dice) -> Result<()> {
    let mut boxes: HashMap<u64, [f64; 4]> = HashMap::new();
    elements(file, Some("annotations"), &mut |_, found: RefAnnotation| {
        // An expression means one thing: the first box is its box.
        boxes.entry(found.image_id).or_insert(found.bbox);
        Ok(())
    })?;
    let mut order: Vec<(String, (u32, u32))> = Vec::new();
    let mut of: HashMap<String, Vec<Region>> = HashMap::new();
    elements(file, Some("images"), &mut |_, found: RefImage| {
        rows.read();
        let region = boxes
            .get(&found.id)
            .and_then(|bounds| Region::new(&found.caption, *bounds));
        let Some(region) = region.filter(|_| found.width > 0 && found.height > 0) else {
            rows.leave_out();
            return Ok(());
        };
        let regions = of.entry(found.file_name.clone()).or_insert_with(|| {
            order.push((found.file_name, (found.width, found.height)));
            Vec::new()
        });
        regions.push(region);
        Ok(())
    })?;
    for (name, size) in order {
        let regions = of.remove(&name).unwrap_or_default();
        let stem = name.trim_end_matches(".jpg");
        // The pictures of 2014 carry the number that those of 2017 are named by.
        let number = stem.rsplit('_').next().unwrap_or(stem);
        for (piece, regions) in regions.chunks(TURNS - 1).enumerate() {
            let turns = regions
                .iter()
                .map(|region| region.turn(size, dice))
                .collect::<Result<Vec<_>>>()?;
            rows.push(
                &format!("{number}-{piece}"),
                Some(&format!("{number}.jpg")),
                &turns,
            )?;
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct VgPicture {
    image_id: u64,
    width: u32,
    height: u32,
    url: String,
}

#[derive(Deserialize)]
struct VgRegions {
    id: u64,
    #[serde(default)]
    regions: Vec<VgRegion>,
}

#[derive(Deserialize)]
struct VgRegion {
    phrase: String,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// Visual Genome: ten of a picture's regions, drawn where there are more.
pub(super) fn vg(regions: &Path, pictures: &Path, rows: &mut Rows, dice: &mut Dice) -> Result<()> {
    let mut known: HashMap<u64, (String, (u32, u32))> = HashMap::new();
    elements(pictures, None, &mut |_, found: VgPicture| {
        // The last two parts of the address are the folder and the name of the file.
        let mut parts = found.url.rsplit('/');
        if let (Some(name), Some(folder)) = (parts.next(), parts.next()) {
            let size = (found.width, found.height);
            known.insert(found.image_id, (format!("{folder}/{name}"), size));
        }
        Ok(())
    })?;
    elements(regions, None, &mut |_, found: VgRegions| {
        rows.read();
        let picture = known.get(&found.id).filter(|(_, (w, h))| *w > 0 && *h > 0);
        let mut regions: Vec<Region> = found
            .regions
            .iter()
            .filter_map(|r| Region::new(&r.phrase, [r.x, r.y, r.width, r.height]))
            .collect();
        let Some((image, size)) = picture.filter(|_| !regions.is_empty()) else {
            rows.leave_out();
            return Ok(());
        };
        if regions.len() > ANNOTATIONS {
            dice.shuffle(&mut regions);
            regions.truncate(ANNOTATIONS);
        }
        let turns = regions
            .iter()
            .map(|region| region.turn(*size, dice))
            .collect::<Result<Vec<_>>>()?;
        rows.push(&format!("VG-{}", found.id), Some(image), &turns)
    })
}
