//! Pictures on their way in and out.

use super::support::*;
use crate::{Code, MOST_PICTURES, PictureWarning, Rendition};

#[tokio::test(flavor = "multi_thread")]
async fn files_and_folders_come_in_with_reasons_for_what_does_not() {
    let house = House::without_model(quick(Vec::new())).await;
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    std::fs::write(at("empty.png"), b"").unwrap();
    std::fs::write(at("text.jpg"), b"no picture at all").unwrap();
    std::fs::copy(photograph("cat.jpg"), at("really-a-jpeg.png")).unwrap();
    let added = house
        .app
        .add_files(vec![
            at("empty.png"),
            at("text.jpg"),
            at("missing.png"),
            at("really-a-jpeg.png"),
            "https://example.org/a.png".into(),
        ])
        .await;
    let names: Vec<&str> = added.pictures.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["really-a-jpeg.png"]);
    let mut codes: Vec<Code> = added.refused.iter().map(|r| r.error.code).collect();
    codes.sort_by_key(|code| format!("{code:?}"));
    assert_eq!(
        codes,
        [
            Code::BadPicture,
            Code::BadPicture,
            Code::FileUnreadable,
            Code::NotAFile
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_folder_gives_its_first_pictures() {
    let house = House::without_model(quick(Vec::new())).await;
    let pictures = photograph("");
    let added = house.app.add_files(vec![pictures]).await;
    assert_eq!(
        added.pictures.len() + added.refused.len(),
        MOST_PICTURES + added.refused.len()
    );
    assert!(added.left_out > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_shown_in_three_ways() {
    let house = House::without_model(quick(Vec::new())).await;
    for name in [
        "cat.jpg",
        "teapot.gif",
        "coffee-on-its-side.jpg",
        "apple-transparent.png",
    ] {
        let (id, _) = with_picture(&house.app, name).await;
        let row = house.app.store.picture(&id).await.unwrap();
        let small = house
            .app
            .show(id.as_str(), Rendition::Thumbnail)
            .await
            .unwrap();
        let small = image::load_from_memory(&small.bytes).unwrap();
        assert!(small.width() <= 256 && small.height() <= 256, "{name}");
        // Upright: the thumbnail has the picture's shape.
        assert_eq!(
            small.width() > small.height(),
            row.width > row.height,
            "{name}"
        );
        let seen = house.app.show(id.as_str(), Rendition::Seen).await.unwrap();
        let seen = image::load_from_memory(&seen.bytes).unwrap();
        assert_eq!((seen.width(), seen.height()), (336, 336), "{name}");
        let whole = house
            .app
            .show(id.as_str(), Rendition::Display)
            .await
            .unwrap();
        assert!(image::load_from_memory(&whole.bytes).is_ok(), "{name}");
    }
    for bad in ["", "../../etc/passwd", &"0".repeat(64), &"A".repeat(64)] {
        assert!(
            house.app.show(bad, Rendition::Display).await.is_err(),
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_should_know_comes_with_the_picture() {
    let house = House::without_model(quick(Vec::new())).await;
    let strip = image::RgbImage::from_pixel(2000, 4, image::Rgb([9, 9, 9]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    strip.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let picture = house.app.add_bytes(bytes.into_inner(), "").await.unwrap();
    assert_eq!(picture.warnings, [PictureWarning::VeryLong]);
    assert_eq!(picture.name, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_nothing_uses_are_swept() {
    let house = House::without_model(quick(Vec::new())).await;
    let (used, name) = with_picture(&house.app, "cat.jpg").await;
    with_picture(&house.app, "flower.jpg").await;
    house
        .app
        .save_draft(None, "", &[(used.clone(), name)], None)
        .await
        .unwrap();
    assert_eq!(house.app.store.sweep_pictures(0).await.unwrap(), 0);
    assert_eq!(house.app.store.sweep_pictures(i64::MAX).await.unwrap(), 1);
    assert_eq!(house.app.whole().await.unwrap().pictures, 1);
    assert!(
        house
            .app
            .show(used.as_str(), Rendition::Display)
            .await
            .is_ok()
    );
}
