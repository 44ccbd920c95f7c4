//! The shapes as polygons, and what of them is inked.

use super::attributes::{Heading, Shape, Texture};
use super::scene::Object;
use std::f32::consts::{PI, TAU};
use tiny_skia::{LineJoin, Path, PathBuilder, Stroke, Transform};

/// Width of the line of an outlined shape, in radii.
const LINE: f32 = 0.24;

/// Corner points in a space where the radius is 1 and y points down.
type Contour = Vec<[f32; 2]>;

/// The area an object inks, in pixels of its picture; `None` when it has no area.
///
/// The outline's line lies inside the shape's own area at the corners only roughly: bounds must be
/// taken from this path, and not from the radius.
pub(super) fn silhouette(object: &Object) -> Option<Path> {
    let contour = contour(object.shape);
    let (first, others) = contour.split_first()?;
    let mut builder = PathBuilder::new();
    builder.move_to(first[0], first[1]);
    for [x, y] in others {
        builder.line_to(*x, *y);
    }
    builder.close();
    let path = builder.finish()?;
    let path = if object.texture == Texture::Outlined {
        // Half of the line would stand out beyond the radius.
        let inner = path.transform(Transform::from_scale(1.0 - LINE / 2.0, 1.0 - LINE / 2.0))?;
        let stroke = Stroke {
            width: LINE,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        // Curves of the joins are flattened as finely as they will be seen.
        inner.stroke(&stroke, object.radius)?
    } else {
        path
    };
    let quarter = match object.heading {
        Some(Heading::Down) => 90.0,
        Some(Heading::Left) => 180.0,
        Some(Heading::Up) => 270.0,
        Some(Heading::Right) | None => 0.0,
    };
    path.transform(
        Transform::from_scale(object.radius, object.radius)
            .post_rotate(quarter + object.turn)
            .post_translate(object.centre[0], object.centre[1]),
    )
}

/// The shape's outline.
fn contour(shape: Shape) -> Contour {
    match shape {
        Shape::Circle => arc([0.0, 0.0], 0.94, 0.0, TAU, 64),
        Shape::Square => vec![[-0.82, -0.82], [0.82, -0.82], [0.82, 0.82], [-0.82, 0.82]],
        Shape::Triangle => vec![[0.0, -0.95], [1.0, 0.8], [-1.0, 0.8]],
        Shape::Star => star(),
        Shape::Heart => heart(),
        Shape::Cross => cross(0.32, 0.95),
        Shape::Diamond => vec![[0.0, -1.0], [0.7, 0.0], [0.0, 1.0], [-0.7, 0.0]],
        Shape::Moon => moon(),
        Shape::Arrow => arrow(),
        Shape::House => house(),
    }
}

/// Points of a circle's arc, both ends included; angles in radians, clockwise from the right.
fn arc([x, y]: [f32; 2], radius: f32, from: f32, to: f32, steps: u16) -> Contour {
    (0..=steps)
        .map(|step| {
            let angle = from + (to - from) * f32::from(step) / f32::from(steps);
            [x + radius * angle.cos(), y + radius * angle.sin()]
        })
        .collect()
}

fn star() -> Contour {
    (0..10u8)
        .map(|corner| {
            let radius = if corner % 2 == 0 { 1.05 } else { 0.46 };
            let angle = f32::from(corner) * PI / 5.0 - PI / 2.0;
            [radius * angle.cos(), 0.06 + radius * angle.sin()]
        })
        .collect()
}

/// The well-known curve of a heart by sines and cosines.
fn heart() -> Contour {
    (0..64u8)
        .map(|step| {
            let t = f32::from(step) * TAU / 64.0;
            let x = 16.0 * t.sin().powi(3);
            let y =
                13.0 * t.cos() - 5.0 * (2.0 * t).cos() - 2.0 * (3.0 * t).cos() - (4.0 * t).cos();
            [x / 16.8, -(y + 2.5) / 16.8]
        })
        .collect()
}

fn cross(half: f32, long: f32) -> Contour {
    vec![
        [-half, -long],
        [half, -long],
        [half, -half],
        [long, -half],
        [long, half],
        [half, half],
        [half, long],
        [-half, long],
        [-half, half],
        [-long, half],
        [-long, -half],
        [-half, -half],
    ]
}

/// A waxing crescent's opposite: the left part of a disc, bitten by another disc.
fn moon() -> Contour {
    // The circles meet where both radii reach.
    let (bite, radius) = (0.52f32, 0.86f32);
    let x = (1.0 + bite * bite - radius * radius) / (2.0 * bite);
    let outer = x.clamp(-1.0, 1.0).acos();
    let inner = ((x - bite) / radius).clamp(-1.0, 1.0).acos();
    let mut points = arc([0.0, 0.0], 1.0, outer, TAU - outer, 48);
    points.extend(arc([bite, 0.0], radius, TAU - inner, inner, 48));
    points.into_iter().map(|[x, y]| [x + 0.3, y]).collect()
}

/// A roof with eaves, walls, and a door that is open to below.
fn house() -> Contour {
    vec![
        [0.0, -0.98],
        [0.98, -0.1],
        [0.74, -0.1],
        [0.74, 0.86],
        [0.22, 0.86],
        [0.22, 0.2],
        [-0.22, 0.2],
        [-0.22, 0.86],
        [-0.74, 0.86],
        [-0.74, -0.1],
        [-0.98, -0.1],
    ]
}

fn arrow() -> Contour {
    vec![
        [-1.0, -0.3],
        [0.05, -0.3],
        [0.05, -0.78],
        [1.0, 0.0],
        [0.05, 0.78],
        [0.05, 0.3],
        [-1.0, 0.3],
    ]
}
