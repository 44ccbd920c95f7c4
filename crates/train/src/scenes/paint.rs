//! From the scene to pixels.

use super::attributes::Texture;
use super::dice::Dice;
use super::lettering;
use super::outline;
use super::scene::{Backdrop, Finish, Object, Pattern, Scene};
use image::RgbImage;
use tiny_skia::{
    Color, FillRule, GradientStop, LinearGradient, Mask, Paint, PathBuilder, Pixmap, Point, Rect,
    SpreadMode, Transform,
};

/// Paints a scene; `dice` decides about grains and noise. A scene has at least one pixel.
pub(super) fn paint(scene: &Scene, dice: &mut Dice) -> RgbImage {
    let Some(mut canvas) = Pixmap::new(scene.width, scene.height) else {
        return RgbImage::new(scene.width, scene.height);
    };
    backdrop(&mut canvas, &scene.backdrop);
    let mut picture = opaque(&canvas);
    if scene.backdrop.pattern == Pattern::Grain {
        grains(&mut picture, &scene.backdrop, dice);
        canvas = canvas_of(&picture, canvas);
    }
    for object in &scene.objects {
        figure(&mut canvas, object, scene.backdrop.dark);
    }
    if let Some(print) = &scene.print
        && let Some(path) = lettering::placed(print)
    {
        canvas.fill_path(
            &path,
            &inked(print.ink),
            FillRule::Winding,
            Transform::identity(),
            None,
        );
    }
    let mut picture = opaque(&canvas);
    noise(&mut picture, scene.finish, dice);
    picture
}

fn inked([r, g, b]: [u8; 3]) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, 255);
    paint.anti_alias = true;
    paint
}

fn colour([r, g, b]: [u8; 3]) -> Color {
    Color::from_rgba8(r, g, b, 255)
}

fn backdrop(canvas: &mut Pixmap, backdrop: &Backdrop) {
    let [first, second] = backdrop.tones;
    canvas.fill(colour(first));
    let (w, h) = (canvas.width() as f32, canvas.height() as f32);
    match backdrop.pattern {
        Pattern::Plain | Pattern::Grain => {}
        Pattern::Gradient => {
            let (sin, cos) = backdrop.scale.to_radians().sin_cos();
            let reach = (w * cos.abs() + h * sin.abs()) / 2.0;
            let end = |sign: f32| {
                Point::from_xy(w / 2.0 + sign * cos * reach, h / 2.0 + sign * sin * reach)
            };
            let stops = vec![
                GradientStop::new(0.0, colour(first)),
                GradientStop::new(1.0, colour(second)),
            ];
            let shader = LinearGradient::new(
                end(-1.0),
                end(1.0),
                stops,
                SpreadMode::Pad,
                Transform::identity(),
            );
            if let (Some(shader), Some(whole)) = (shader, Rect::from_xywh(0.0, 0.0, w, h)) {
                let paint = Paint {
                    shader,
                    ..Paint::default()
                };
                canvas.fill_rect(whole, &paint, Transform::identity(), None);
            }
        }
        Pattern::Checker => {
            let field = w.max(h) / backdrop.scale.max(1.0);
            let paint = inked(second);
            let fields = |length: f32| (length / field).ceil() as u16;
            for row in 0..fields(h) {
                for column in (row % 2..fields(w)).step_by(2) {
                    let (x, y) = (f32::from(column) * field, f32::from(row) * field);
                    if let Some(rect) = Rect::from_xywh(x, y, field, field) {
                        canvas.fill_rect(rect, &paint, Transform::identity(), None);
                    }
                }
            }
        }
    }
}

/// Single pixels anywhere between the two tones.
fn grains(picture: &mut RgbImage, backdrop: &Backdrop, dice: &mut Dice) {
    let [first, second] = backdrop.tones.map(|tone| tone.map(f32::from));
    for pixel in picture.pixels_mut() {
        let share = dice.unit();
        for (channel, (a, b)) in pixel.0.iter_mut().zip(first.iter().zip(second)) {
            *channel = (a + (b - a) * share) as u8;
        }
    }
}

fn figure(canvas: &mut Pixmap, object: &Object, dark: bool) {
    let Some(path) = outline::silhouette(object) else {
        return;
    };
    // The line of an outlined shape is an area with a hole, wound the other way.
    let rule = FillRule::Winding;
    canvas.fill_path(&path, &inked(object.ink), rule, Transform::identity(), None);
    let marks = match object.texture {
        Texture::Striped => stripes(object),
        Texture::Dotted => dots(object),
        Texture::Solid | Texture::Outlined => None,
    };
    let Some(marks) = marks else { return };
    let Some(mut inside) = Mask::new(canvas.width(), canvas.height()) else {
        return;
    };
    inside.fill_path(&path, rule, true, Transform::identity());
    canvas.fill_path(
        &marks,
        &inked(shade(object.ink, dark)),
        FillRule::Winding,
        Transform::identity(),
        Some(&inside),
    );
}

/// The ink of stripes and dots: a shade of the object's own, away from the background, so that
/// neither its colour nor its outline is lost.
fn shade(ink: [u8; 3], dark: bool) -> [u8; 3] {
    let [r, g, b] = ink.map(f32::from);
    let luma = 0.299 * r + 0.587 * g + 0.114 * b;
    let lighten = if dark { luma < 200.0 } else { luma < 60.0 };
    let (to, share) = if lighten { (255.0, 0.6) } else { (0.0, 0.45) };
    [r, g, b].map(|channel| (channel + (to - channel) * share) as u8)
}

fn stripes(object: &Object) -> Option<tiny_skia::Path> {
    let [x, y] = object.centre;
    let r = object.radius;
    let period = r * 0.5;
    let mut path = PathBuilder::new();
    for stripe in -3..=3i8 {
        let left = f32::from(stripe) * period - period * 0.2;
        path.push_rect(Rect::from_xywh(left, -2.0 * r, period * 0.4, 4.0 * r)?);
    }
    path.finish()?
        .transform(Transform::from_rotate(45.0 + object.turn).post_translate(x, y))
}

fn dots(object: &Object) -> Option<tiny_skia::Path> {
    let [x, y] = object.centre;
    let step = object.radius * 0.46;
    let mut path = PathBuilder::new();
    for row in -3..=3i8 {
        for column in -3..=3i8 {
            let shift = if row % 2 == 0 { 0.0 } else { 0.5 };
            path.push_circle(
                (f32::from(column) + shift) * step,
                f32::from(row) * step * 0.9,
                step * 0.27,
            );
        }
    }
    path.finish()?
        .transform(Transform::from_rotate(object.turn).post_translate(x, y))
}

/// Uniform noise on every channel of every pixel.
fn noise(picture: &mut RgbImage, finish: Finish, dice: &mut Dice) {
    if finish.noise == 0 {
        return;
    }
    let reach = f32::from(finish.noise);
    for channel in picture.iter_mut() {
        *channel = (f32::from(*channel) + dice.between(-reach, reach)).clamp(0.0, 255.0) as u8;
    }
}

/// The canvas without its alpha, which is 255 everywhere.
fn opaque(canvas: &Pixmap) -> RgbImage {
    let pixels = canvas.pixels().iter();
    let rgb = pixels
        .flat_map(|p| [p.red(), p.green(), p.blue()])
        .collect();
    // The buffer has three bytes for each pixel of the canvas.
    RgbImage::from_raw(canvas.width(), canvas.height(), rgb).unwrap_or_default()
}

/// The picture back on a canvas of its size.
fn canvas_of(picture: &RgbImage, mut canvas: Pixmap) -> Pixmap {
    for (pixel, rgb) in canvas.data_mut().chunks_exact_mut(4).zip(picture.pixels()) {
        for (to, from) in pixel.iter_mut().zip(rgb.0) {
            *to = from;
        }
    }
    canvas
}
