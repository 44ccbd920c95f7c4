//! What is painted is what the scene says.

use super::*;
use crate::scenes::attributes::Texture;
use crate::scenes::paint;
use crate::scenes::scene::{Backdrop, Finish, Pattern};
use image::RgbImage;
use visavis_llava::boxes::PixelBox;

/// The scene on a plain background, without noise or compression.
fn plainly(mut scene: Scene) -> Scene {
    let tone = if scene.backdrop.dark {
        [40, 40, 48]
    } else {
        [225, 225, 220]
    };
    scene.backdrop = Backdrop {
        pattern: Pattern::Plain,
        tones: [tone, tone],
        ..scene.backdrop
    };
    scene.finish = Finish {
        noise: 0,
        jpeg: None,
    };
    scene
}

/// Whether each pixel differs from the background, which is the first pixel of an empty picture.
fn inked(scene: &Scene) -> (RgbImage, Vec<bool>) {
    let picture = paint::paint(scene, &mut Dice::named(&[]));
    let [r, g, b] = scene.backdrop.tones[0];
    let apart = |a: u8, b: u8| a.abs_diff(b) > 6;
    let ink = picture
        .pixels()
        .map(|p| apart(p.0[0], r) || apart(p.0[1], g) || apart(p.0[2], b))
        .collect();
    (picture, ink)
}

/// The smallest box around the ink.
fn extent(picture: &RgbImage, ink: &[bool]) -> PixelBox {
    let (mut x1, mut y1, mut x2, mut y2) = (u32::MAX, u32::MAX, 0, 0);
    for (at, inked) in ink.iter().enumerate() {
        if *inked {
            let (x, y) = (at as u32 % picture.width(), at as u32 / picture.width());
            (x1, y1, x2, y2) = (x1.min(x), y1.min(y), x2.max(x + 1), y2.max(y + 1));
        }
    }
    PixelBox {
        x1: x1.into(),
        y1: y1.into(),
        x2: x2.into(),
        y2: y2.into(),
    }
}

fn assert_close(found: PixelBox, said: PixelBox, what: &str) {
    let pairs = [
        (found.x1, said.x1),
        (found.y1, said.y1),
        (found.x2, said.x2),
        (found.y2, said.y2),
    ];
    // A pixel at each edge may be inked by less than can be told from the background.
    assert!(
        pairs.iter().all(|(a, b)| (a - b).abs() <= 1.6),
        "{what}: ink {found:?}, said {said:?}"
    );
}

#[test]
fn ink_fills_its_box_and_nothing_else() {
    let generator = generator(Split::Test, 21);
    let (mut objects, mut prints) = (0, 0);
    for index in 0..150 {
        let scene = plainly(generator.conversation(index).scene);
        for object in &scene.objects {
            let alone = Scene {
                objects: vec![object.clone()],
                print: None,
                ..scene.clone()
            };
            let (picture, ink) = inked(&alone);
            assert_close(
                extent(&picture, &ink),
                object.bounds,
                &format!("{object:?}"),
            );
            objects += 1;
        }
        if let Some(print) = &scene.print {
            let alone = Scene {
                objects: Vec::new(),
                ..scene.clone()
            };
            let (picture, ink) = inked(&alone);
            assert_close(extent(&picture, &ink), print.bounds, &format!("{print:?}"));
            prints += 1;
        }
    }
    assert!(objects > 200 && prints > 15, "{objects} {prints}");
}

#[test]
fn as_many_things_can_be_seen_as_there_are() {
    let generator = generator(Split::Train, 22);
    let mut counted = 0;
    for index in 0..200 {
        let mut scene = plainly(generator.conversation(index).scene);
        if scene.print.is_some() {
            continue;
        }
        for object in &mut scene.objects {
            object.texture = Texture::Solid;
        }
        let (picture, ink) = inked(&scene);
        let pieces = pieces(&ink, picture.width() as usize);
        assert_eq!(pieces, scene.objects.len(), "{scene:?}");
        counted += pieces;
    }
    assert!(counted > 300);
}

/// How many separate areas of ink there are; pixels touch by their edges and corners.
fn pieces(ink: &[bool], width: usize) -> usize {
    let mut left = ink.to_vec();
    let mut pieces = 0;
    while let Some(start) = left.iter().position(|inked| *inked) {
        pieces += 1;
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            if !std::mem::take(&mut left[at]) {
                continue;
            }
            let (x, y) = (at % width, at / width);
            for ny in y.saturating_sub(1)..=(y + 1).min(left.len() / width - 1) {
                for nx in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                    open.push(ny * width + nx);
                }
            }
        }
    }
    pieces
}

#[test]
fn things_keep_the_colour_they_are_called_by() {
    let generator = generator(Split::Train, 23);
    for index in 0..120 {
        let scene = plainly(generator.conversation(index).scene);
        for object in scene.objects.iter().filter(|o| o.texture == Texture::Solid) {
            let picture = paint::paint(&scene, &mut Dice::named(&[]));
            let inside = |x: u32, y: u32| {
                let (x, y) = (f64::from(x), f64::from(y));
                x > object.bounds.x1
                    && x < object.bounds.x2
                    && y > object.bounds.y1
                    && y < object.bounds.y2
            };
            let same = picture.enumerate_pixels().filter(|(x, y, pixel)| {
                inside(*x, *y)
                    && pixel
                        .0
                        .iter()
                        .zip(object.ink)
                        .all(|(a, b)| a.abs_diff(b) < 3)
            });
            let area =
                (object.bounds.x2 - object.bounds.x1) * (object.bounds.y2 - object.bounds.y1);
            let share = same.count() as f64 / area;
            assert!(share > 0.22, "{share}: {object:?}");
            let nearest = crate::scenes::attributes::Colour::ALL
                .into_iter()
                .min_by_key(|colour| {
                    let apart = colour.rgb().into_iter().zip(object.ink);
                    apart
                        .map(|(a, b)| u32::from(a.abs_diff(b)).pow(2))
                        .sum::<u32>()
                });
            assert_eq!(nearest, Some(object.colour));
        }
    }
}

#[test]
fn things_are_large_enough_for_the_models_eye() {
    let generator = generator(Split::Test, 24);
    for index in 0..300 {
        let scene = generator.conversation(index).scene;
        // 112 pixels is the smallest square that a model here is trained on.
        let seen = |length: f64| length * 112.0 / f64::from(scene.side());
        for object in &scene.objects {
            let b = object.bounds;
            let longest = (b.x2 - b.x1).max(b.y2 - b.y1);
            assert!(seen(longest) >= 13.0, "{} px: {object:?}", seen(longest));
        }
        if let Some(print) = &scene.print {
            let letters = print.printed.len() as f64;
            let b = print.bounds;
            assert!(seen(b.x2 - b.x1) / letters > 5.5, "{print:?}");
            assert!(b.x1 >= 0.0 && b.y1 >= 0.0);
            assert!(b.x2 <= f64::from(scene.width) && b.y2 <= f64::from(scene.height));
        }
    }
}
