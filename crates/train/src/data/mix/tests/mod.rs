//! Each data set on a small sample that is true to its format.

use super::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

struct Mixed {
    counts: Counts,
    rows: Vec<Value>,
}

/// Mixes one data set whose files hold these values.
fn mixed(kind: &str, files: &[Value], more: &str) -> Mixed {
    let folder = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for (at, value) in files.iter().enumerate() {
        let name = format!("{at}.json");
        std::fs::write(
            folder.path().join(&name),
            serde_json::to_vec(value).unwrap(),
        )
        .unwrap();
        names.push(format!("\"{name}\""));
    }
    let recipe = folder.path().join("recipe.toml");
    let text = format!(
        "[[source]]\nkind = \"{kind}\"\nfiles = [{}]\nimages = \"pictures\"\n{more}",
        names.join(", ")
    );
    std::fs::write(&recipe, text).unwrap();
    let out = folder.path().join("mix.json");
    let recipe = read_recipe(&recipe).unwrap();
    let counts = mix(&recipe, folder.path(), &out, &mut |_| true)
        .unwrap()
        .remove(0);
    let mut rows: Vec<Value> = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    // Only the recipe, the sources and the result are left.
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        files.len() + 2
    );
    // Every row can be learned from.
    for (at, row) in rows.iter().enumerate() {
        crate::conversation::row(row.clone(), at + 1).unwrap();
    }
    rows.sort_by_key(|row| row["id"].as_str().unwrap_or_default().to_owned());
    Mixed { counts, rows }
}

fn said(row: &Value, at: usize) -> &str {
    row["conversations"][at]["value"].as_str().unwrap()
}

const SHORT: &str = "Answer the question using a single word or phrase.";

#[test]
fn vqav2_merges_the_questions_of_a_picture() {
    let questions = json!({"info": {}, "task_type": "Open-Ended", "questions": [
        {"image_id": 458752, "question": "What is this photo taken looking through?", "question_id": 458752000},
        {"image_id": 262146, "question": "Is it day?", "question_id": 262146000},
        {"image_id": 458752, "question": "What position is this man playing?", "question_id": 458752001},
        {"image_id": 458752, "question": "Nobody answered this?", "question_id": 458752002},
    ]});
    let annotation = |id: u64, answer: &str| {
        json!({"question_type": "what", "multiple_choice_answer": answer,
        "answers": [{"answer": answer, "answer_confidence": "yes", "answer_id": 1}], "image_id": id / 1000,
        "answer_type": "other", "question_id": id})
    };
    let annotations = json!({"license": {}, "annotations": [
        annotation(458752000, "net"), annotation(458752001, "pitcher"), annotation(262146000, "yes"),
    ]});
    let found = mixed("vqav2", &[questions, annotations], "");
    assert_eq!((found.counts.entries, found.counts.left_out), (4, 1));
    assert_eq!(
        (found.counts.made, found.counts.kept, found.counts.turns),
        (2, 2, 3)
    );
    let merged = &found.rows[1];
    assert_eq!(merged["image"], "pictures/000000458752.jpg");
    assert_eq!(
        said(merged, 0),
        format!("<image>\nWhat is this photo taken looking through?\n{SHORT}")
    );
    assert_eq!((said(merged, 1), said(merged, 3)), ("Net", "Pitcher"));
    // Only the first question carries the sentence.
    assert_eq!(said(merged, 2), "What position is this man playing?");
}

#[test]
fn okvqa_takes_the_most_frequent_answer() {
    let questions = json!({"questions": [{"image_id": 51606, "question": "What is the hairstyle called?", "question_id": 516065}]});
    let answers: Vec<Value> = ["braid", "pony tail", "pony tail", "dreadlock", "pony tail"]
        .into_iter()
        .enumerate()
        .map(|(at, a)| json!({"answer_id": at, "raw_answer": a, "answer_confidence": "yes", "answer": a}))
        .collect();
    let annotations = json!({"annotations": [{"image_id": 51606, "answer_type": "other", "question_type": "four",
        "question_id": 516065, "answers": answers, "confidence": 3}]});
    let found = mixed("okvqa", &[questions, annotations], "");
    assert_eq!(said(&found.rows[0], 1), "Pony tail");
}

#[test]
fn gqa_is_an_object_of_questions() {
    let questions = json!({
        "02930152": {"imageId": "2354786", "question": "Is the sky dark?", "answer": "yes", "fullAnswer": "Yes, the sky is dark.",
            "isBalanced": true, "groups": {"global": null}, "semantic": []},
        "07333408": {"imageId": "2375429", "question": "What is on the wall?", "answer": "pipe", "fullAnswer": "A pipe."},
        "07333405": {"imageId": "2375429", "question": "Is that pipe red?", "answer": "no", "fullAnswer": "No."},
    });
    let found = mixed("gqa", &[questions], "");
    assert_eq!((found.counts.made, found.counts.turns), (2, 3));
    assert_eq!(found.rows[1]["image"], "pictures/2375429.jpg");
    assert_eq!(said(&found.rows[0], 1), "Yes");
}

#[test]
fn ocrvqa_keeps_training_books_and_draws_some() {
    let mut books = serde_json::Map::new();
    for n in 0..20 {
        let split = if n < 12 { 1 } else { 2 };
        books.insert(format!("{n:010}"), json!({"imageURL": "http://x/y.jpg", "title": "T", "split": split,
            "questions": ["Who wrote this book?", "What is the title of this book?"], "answers": ["Sandra Boynton", "Mom's"],
            "authorName": "S", "genre": "Calendars"}));
    }
    let found = mixed("ocrvqa", &[Value::Object(books)], "limit = 5\n");
    assert_eq!(
        (
            found.counts.entries,
            found.counts.left_out,
            found.counts.made,
            found.counts.kept
        ),
        (20, 8, 12, 5)
    );
    let row = &found.rows[0];
    assert_eq!(
        said(row, 0),
        format!("<image>\nWho wrote this book?\n{SHORT}")
    );
    assert_eq!(
        (said(row, 1), said(row, 2)),
        ("Sandra Boynton", "What is the title of this book?")
    );
    // The paper's number holds where the recipe gives none.
    assert_eq!(OCRVQA, 80_000);
}

#[test]
fn aokvqa_comes_once_for_each_choice() {
    let asked = json!([{"split": "train", "image_id": 299207, "question_id": "22MexNkBPpdZGX6sxbxVBH",
        "question": "What is the man by the bags awaiting?", "choices": ["skateboarder", "train", "delivery", "cab"],
        "correct_choice_idx": 3, "direct_answers": ["ride", "ride"], "difficult_direct_answer": false, "rationales": ["x"]}]);
    let found = mixed("aokvqa", &[asked], "");
    assert_eq!((found.counts.entries, found.counts.made), (1, 4));
    let letters: BTreeSet<&str> = found.rows.iter().map(|row| said(row, 1)).collect();
    assert_eq!(
        letters.into_iter().collect::<Vec<_>>(),
        ["A", "B", "C", "D"]
    );
    for row in &found.rows {
        // The letter is the one before the right choice.
        assert!(
            said(row, 0).contains(&format!("\n{}. cab\n", said(row, 1))),
            "{row}"
        );
        assert!(
            said(row, 0)
                .ends_with("Answer with the option's letter from the given choices directly.")
        );
        assert_eq!(row["image"], "pictures/000000299207.jpg");
    }
}

#[test]
fn textcaps_gives_one_caption_and_the_read_words() {
    let captions = json!({"dataset_name": "textcaps", "data": [
        {"image_id": "011e7e629fb9ae7b", "caption_str": "A billboard.", "caption_id": 1, "image_path": "train/011e7e629fb9ae7b.jpg",
            "reference_strs": ["A billboard.", "A sign with words."], "set_name": "train"},
        {"image_id": "011e7e629fb9ae7b", "caption_str": "A sign with words.", "caption_id": 2,
            "reference_strs": ["A billboard.", "A sign with words."]},
        {"image_id": "0054c91397f2fe05", "caption_str": "A phone.", "reference_strs": ["A phone."]},
    ]});
    let tokens = json!({"data": [
        {"image_id": "011e7e629fb9ae7b", "ocr_tokens": ["MASSIVE", "TURBINE"], "ocr_info": []},
        {"image_id": "0054c91397f2fe05", "ocr_tokens": []},
    ]});
    let found = mixed("textcaps", &[captions, tokens], "");
    assert_eq!((found.counts.entries, found.counts.made), (3, 2));
    let sentence = "<image>\nProvide a one-sentence caption for the provided image.";
    assert_eq!(said(&found.rows[0], 0), sentence);
    assert_eq!(
        said(&found.rows[1], 0),
        format!("{sentence}\nReference OCR token: MASSIVE, TURBINE")
    );
    assert!(["A billboard.", "A sign with words."].contains(&said(&found.rows[1], 1)));
}

#[test]
fn refcoco_is_cut_into_pieces_of_fewer_than_ten_turns() {
    let image = |id: u64| {
        json!({"file_name": "COCO_train2014_000000581857.jpg", "height": 427, "width": 640, "id": id,
        "original_id": 581857, "caption": format!("the lady number {id}"), "dataset_name": "refcoco",
        "tokens_negative": [[0, 4]]})
    };
    let annotation = |id: u64| {
        json!({"area": 1, "iscrowd": 0, "image_id": id, "category_id": 1, "id": id,
        "bbox": [103.93, 299.99, 134.22, 127.01], "tokens_positive": [[0, 4]]})
    };
    let file = json!({"categories": [], "images": (0..23).map(image).collect::<Vec<_>>(),
        "annotations": (0..23).map(annotation).collect::<Vec<_>>()});
    let found = mixed("refcoco", &[file], "");
    let lengths: Vec<usize> = found
        .rows
        .iter()
        .map(|r| r["conversations"].as_array().unwrap().len() / 2)
        .collect();
    assert_eq!(lengths, [9, 9, 5]);
    assert_eq!(found.rows[0]["image"], "pictures/000000581857.jpg");
    // 640 x 427: x / 640, (y + 106.5) / 640.
    let bounds = "[0.16, 0.64, 0.37, 0.83]";
    let (mut boxes, mut phrases) = (0, 0);
    for row in &found.rows {
        for at in (0..row["conversations"].as_array().unwrap().len()).step_by(2) {
            if said(row, at).contains("bounding box coordinate") {
                assert_eq!(said(row, at + 1), bounds);
                boxes += 1;
            } else {
                assert!(
                    said(row, at).ends_with(bounds) && said(row, at + 1).starts_with("the lady")
                );
                phrases += 1;
            }
        }
    }
    assert!(boxes > 5 && phrases > 5, "{boxes} {phrases}");
}

#[test]
fn visual_genome_gives_ten_regions_of_a_picture() {
    let region = |n: u64| json!({"region_id": n, "image_id": 1, "phrase": format!("thing {n}"), "x": 10 * n, "y": 0, "width": 40, "height": 40});
    let regions = json!([
        {"id": 1, "regions": (0..30).map(region).collect::<Vec<_>>()},
        {"id": 2, "regions": [region(1), {"region_id": 9, "image_id": 2, "phrase": " ", "x": 1, "y": 1, "width": 5, "height": 5}]},
        {"id": 3, "regions": [region(1)]},
    ]);
    let pictures = json!([
        {"width": 800, "url": "https://cs.stanford.edu/people/rak248/VG_100K_2/1.jpg", "height": 600, "image_id": 1, "coco_id": null, "flickr_id": null},
        {"width": 800, "url": "https://cs.stanford.edu/people/rak248/VG_100K/2.jpg", "height": 600, "image_id": 2},
    ]);
    let found = mixed("vg", &[regions, pictures], "");
    assert_eq!(
        (
            found.counts.entries,
            found.counts.left_out,
            found.counts.made
        ),
        (3, 1, 2)
    );
    assert_eq!(found.counts.turns, 10 + 1);
    assert_eq!(found.rows[0]["image"], "pictures/VG_100K_2/1.jpg");
    assert_eq!(found.rows[1]["image"], "pictures/VG_100K/2.jpg");
}

#[test]
fn conversations_of_pictures_stay_as_they_are() {
    let good = json!({"id": "000000033471", "image": "000000033471.jpg", "conversations": [
        {"from": "human", "value": "<image>\nWhat are the colors of the bus in the image?"},
        {"from": "gpt", "value": "The bus in the image is white and red."}]});
    let broken = json!({"id": "x", "image": "x.jpg", "conversations": [{"from": "human", "value": "No mark"}]});
    let found = mixed("llava", &[json!([good.clone(), broken])], "");
    assert_eq!((found.counts.entries, found.counts.left_out), (2, 1));
    assert_eq!(found.rows, [good]);
}

#[test]
fn sharegpt_is_filtered_and_cut() {
    let said = |parts: &[(&str, &str)]| -> Value {
        parts
            .iter()
            .map(|(from, value)| json!({"from": from, "value": value}))
            .collect()
    };
    let long = "word ".repeat(300);
    let mut turns = Vec::new();
    for _ in 0..6 {
        turns.extend([("human", "Go on."), ("gpt", long.as_str())]);
    }
    let shared = json!([
        {"id": "a", "conversations": said(&[("human", "Hi"), ("gpt", "Hello.")])},
        {"id": "b", "conversations": said(&[("human", "Who made you?"), ("gpt", "OpenAI made me.")])},
        {"id": "c", "conversations": said(&[("human", "Hi")])},
        {"id": "d", "conversations": said(&[("gpt", "Unasked."), ("human", "Hi"), ("gpt", "Hello."), ("human", "And?")])},
        {"id": "e", "conversations": said(&[("human", "Hi"), ("human", "Hi?"), ("gpt", "Hello.")])},
        {"id": "f", "conversations": said(&turns)},
    ]);
    let tokenizer = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/tokenizer.json");
    let found = mixed(
        "sharegpt",
        &[shared],
        &format!("tokenizer = {tokenizer:?}\n"),
    );
    let ids: Vec<&str> = found
        .rows
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["a", "d", "f"]);
    assert!(found.rows.iter().all(|row| row.get("image").is_none()));
    assert_eq!(found.rows[1]["conversations"].as_array().unwrap().len(), 2);
    // Cut, not split: one conversation, shorter than it was, and it fits.
    let kept = found.rows[2]["conversations"].as_array().unwrap().len() / 2;
    assert!((1..6).contains(&kept), "{kept}");
    let row = crate::conversation::row(found.rows[2].clone(), 1).unwrap();
    let tokenizer = Tokenizer::from_file(Path::new(tokenizer), usize::MAX).unwrap();
    let tokens = |row| {
        crate::labels::tokens(row, crate::labels::Template::V1, &tokenizer)
            .unwrap()
            .len()
    };
    assert!(tokens(&row) <= LONGEST, "{}", tokens(&row));
    let mut longer = row.clone();
    longer.turns.push(row.turns[0].clone());
    assert!(tokens(&longer) > LONGEST);
}

#[test]
fn the_seed_decides_about_order_and_choice() {
    let books: serde_json::Map<String, Value> = (0..40)
        .map(|n| {
            (
                format!("{n:04}"),
                json!({"questions": ["Q?"], "answers": ["A"], "split": 1}),
            )
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("dataset.json");
    std::fs::write(&source, serde_json::to_vec(&books).unwrap()).unwrap();
    let make = |seed, name: &str| {
        let recipe = Recipe {
            seed,
            sources: vec![Source {
                kind: Kind::Ocrvqa,
                files: vec!["dataset.json".into()],
                images: String::new(),
                limit: Some(20),
                tokenizer: None,
            }],
        };
        let out = folder.path().join(name);
        mix(&recipe, folder.path(), &out, &mut |_| true).unwrap();
        std::fs::read(out).unwrap()
    };
    assert_eq!(make(1, "a"), make(1, "b"));
    assert_ne!(make(1, "a"), make(2, "c"));
}

#[test]
fn recipes_that_cannot_be_followed_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    for (text, part) in [
        (
            "[[source]]\nkind = \"vqav2\"\nfiles = [\"a\"]\n",
            "2 file(s)",
        ),
        ("[[source]]\nkind = \"poems\"\nfiles = [\"a\"]\n", "poems"),
        (
            "[[source]]\nkind = \"sharegpt\"\nfiles = [\"a\"]\n",
            "tokenizer",
        ),
        (
            "[[source]]\nkind = \"gqa\"\nfiles = [\"a\"]\nlimits = 3\n",
            "limits",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = read_recipe(&path).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    std::fs::write(
        &path,
        "[[source]]\nkind = \"gqa\"\nfiles = [\"none.json\"]\n",
    )
    .unwrap();
    let recipe = read_recipe(&path).unwrap();
    let out = folder.path().join("out.json");
    let error = mix(&recipe, folder.path(), &out, &mut |_| true)
        .unwrap_err()
        .to_string();
    assert!(error.contains("none.json"), "{error}");
    assert!(!out.exists() && std::fs::read_dir(folder.path()).unwrap().count() == 1);
}
