//! The loss curve: a CSV with a line for each step, and a drawing of it.

use crate::publish::write_file;
use crate::{Error, Result};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

const HEADER: &str = "step,loss,rate,gradient_norm,tokens";

/// One step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// From 1.
    pub step: u64,
    /// Mean loss of a learned token.
    pub loss: f64,
    /// Peak learning rate times the schedule's factor.
    pub rate: f64,
    /// Norm of all gradients before clipping.
    pub norm: f64,
    /// Learned tokens.
    pub tokens: usize,
}

/// The curve of a run: `loss.csv` and `loss.svg` in its folder.
pub struct Curve {
    folder: PathBuf,
    file: File,
    points: Vec<Point>,
}

impl Curve {
    /// Opens the curve of a run that has done `steps` steps; later lines are forgotten.
    ///
    /// # Errors
    /// The file cannot be read or written, or has fewer lines than the run has steps.
    pub fn open(folder: &Path, steps: u64) -> Result<Self> {
        let path = folder.join("loss.csv");
        let old = match std::fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.map_err(|e| Error::read(&path, e))?,
        };
        let points: Vec<Point> = old
            .lines()
            .skip(1)
            .map_while(parse)
            .take_while(|p| p.step <= steps)
            .collect();
        if points.len() as u64 != steps {
            let reason = format!(
                "has {} of {steps} steps; put the right file back or remove the run",
                points.len()
            );
            return Err(Error::data(&path, reason));
        }
        let lines: String = points.iter().map(line).collect();
        write_file(&path, format!("{HEADER}\n{lines}").as_bytes())?;
        let file = File::options()
            .append(true)
            .open(&path)
            .map_err(|e| Error::write(&path, e))?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            points,
        })
    }

    /// Adds a step.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, point: Point) -> Result<()> {
        let path = self.folder.join("loss.csv");
        self.file
            .write_all(line(&point).as_bytes())
            .map_err(|e| Error::write(path, e))?;
        self.points.push(point);
        Ok(())
    }

    /// All steps.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Makes the lines last and draws the curve.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self) -> Result<()> {
        self.file
            .sync_all()
            .map_err(|e| Error::write(self.folder.join("loss.csv"), e))?;
        write_file(&self.folder.join("loss.svg"), svg(&self.points).as_bytes())
    }
}

/// Numbers as short as they can be without losing a bit.
fn line(p: &Point) -> String {
    format!(
        "{},{:?},{:?},{:?},{}\n",
        p.step, p.loss, p.rate, p.norm, p.tokens
    )
}

fn parse(line: &str) -> Option<Point> {
    let mut parts = line.split(',');
    let point = Point {
        step: parts.next()?.parse().ok()?,
        loss: parts.next()?.parse().ok()?,
        rate: parts.next()?.parse().ok()?,
        norm: parts.next()?.parse().ok()?,
        tokens: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(point)
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 16.0;
const RIGHT: f64 = 16.0;

/// The raw losses in grey, thinned out, and a running mean in colour.
fn svg(points: &[Point]) -> String {
    let highest = points.iter().map(|p| p.loss).fold(0.0, f64::max).max(1e-3) * 1.05;
    let last = points.last().map_or(1, |p| p.step).max(1) as f64;
    let x = |step: f64| LEFT + step / last * (WIDTH - LEFT - RIGHT);
    let y = |loss: f64| HEIGHT - BOTTOM - loss / highest * (HEIGHT - TOP - BOTTOM);
    let every = points.len().div_ceil(600).max(1);
    let path = |values: &[f64]| -> String {
        let thin = points.iter().zip(values).step_by(every);
        thin.map(|(p, v)| format!("{:.1},{:.1} ", x(p.step as f64), y(*v)))
            .collect()
    };
    let raw: Vec<f64> = points.iter().map(|p| p.loss).collect();
    let mut mean = raw.first().copied().unwrap_or(0.0);
    let smooth: Vec<f64> = raw
        .iter()
        .enumerate()
        .map(|(i, loss)| {
            mean += (loss - mean) / ((i + 1) as f64).min(1.0 + points.len() as f64 / 50.0);
            mean
        })
        .collect();
    let mut marks = String::new();
    for i in 0..=4 {
        let share = f64::from(i) / 4.0;
        let (loss, step) = (highest * share, (last * share).round());
        marks += &format!(
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#DCDCD6\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{loss:.2}</text>\
             <text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{step}</text>",
            WIDTH - RIGHT,
            y(loss),
            y(loss),
            LEFT - 8.0,
            y(loss) + 4.0,
            x(step),
            HEIGHT - BOTTOM + 20.0,
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#5A6068\" role=\"img\" aria-label=\"Loss by step\">\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#FFFFFF\"/>{marks}\
         <polyline fill=\"none\" stroke=\"#A7ADB5\" stroke-width=\"1\" points=\"{}\"/>\
         <polyline fill=\"none\" stroke=\"#0F6B6B\" stroke-width=\"2\" points=\"{}\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">step</text>\
         <text x=\"{LEFT}\" y=\"12\">loss</text></svg>\n",
        path(&raw),
        path(&smooth),
        WIDTH - RIGHT,
        HEIGHT - 6.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64) -> Point {
        Point {
            step,
            loss: 1.0 / (step as f64 * 3.0),
            rate: 1e-3 / step as f64,
            norm: 0.1 * step as f64,
            tokens: 7,
        }
    }

    #[test]
    fn a_curve_goes_on_where_the_state_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut curve = Curve::open(folder.path(), 0).unwrap();
        (1..=5).for_each(|s| curve.add(point(s)).unwrap());
        drop(curve);
        // A crash may cut the last line; the state is two steps behind it.
        let path = folder.path().join("loss.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();
        let mut curve = Curve::open(folder.path(), 3).unwrap();
        (4..=5).for_each(|s| curve.add(point(s)).unwrap());
        curve.save().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(curve.points()[4], point(5));
        assert!(
            std::fs::read_to_string(folder.path().join("loss.svg"))
                .unwrap()
                .contains("polyline")
        );
        assert!(Curve::open(folder.path(), 9).is_err());
    }
}
