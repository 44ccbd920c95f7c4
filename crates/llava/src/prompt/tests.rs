//! Unit tests of the prompt: the template, the markers that stay text, the pieces.

use super::*;
use crate::tokenizer::tests::small;
use proptest::prelude::*;

fn conversation(messages: Vec<Message>) -> Conversation {
    Conversation {
        system: None,
        messages,
    }
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

#[test]
fn a_question_about_a_picture() {
    let pieces = render(&conversation(vec![Message::user("What is this?", 1)])).unwrap();
    let before = format!("{SYSTEM} USER: ");
    assert_eq!(
        pieces,
        [
            Piece::Begin,
            text(&before),
            Piece::Picture(0),
            text("\nWhat is this? ASSISTANT:")
        ]
    );
    assert!(SYSTEM.contains("curious user") && SYSTEM.ends_with("the user's questions."));
}

#[test]
fn turns_end_with_a_mark_and_no_space() {
    let talk = Conversation {
        system: Some("Be kind.".to_owned()),
        messages: vec![
            Message::user("Hi", 0),
            Message::assistant("Hello"),
            Message::user("And these?", 2),
            Message::assistant("Cats"),
            Message::user("Why?", 0),
        ],
    };
    assert_eq!(
        render(&talk).unwrap(),
        [
            Piece::Begin,
            text("Be kind. USER: Hi ASSISTANT: Hello"),
            Piece::End,
            text("USER: "),
            Piece::Picture(0),
            text("\n"),
            Piece::Picture(1),
            text("\nAnd these? ASSISTANT: Cats"),
            Piece::End,
            text("USER: Why? ASSISTANT:"),
        ]
    );
}

#[test]
fn an_answer_at_the_end_is_continued_in_its_own_string() {
    let system = Some(String::new());
    let messages = vec![Message::user("Tell", 0), Message::assistant("Once")];
    let talk = Conversation { system, messages };
    assert_eq!(
        render(&talk).unwrap(),
        [Piece::Begin, text("USER: Tell ASSISTANT: Once")]
    );
    assert!(talk.continues());
    let mut open = talk;
    open.messages[1].text.clear();
    assert_eq!(
        render(&open).unwrap(),
        [Piece::Begin, text("USER: Tell ASSISTANT:")]
    );
    assert!(!open.continues());
}

#[test]
fn a_picture_may_come_without_words_and_an_answer_may_be_empty() {
    let talk = Conversation {
        system: Some(String::new()),
        messages: vec![
            Message::user("", 1),
            Message::assistant(""),
            Message::user("?", 0),
        ],
    };
    assert_eq!(
        render(&talk).unwrap(),
        [
            Piece::Begin,
            text("USER: "),
            Piece::Picture(0),
            text("\n ASSISTANT:"),
            Piece::End,
            text("USER: ? ASSISTANT:"),
        ]
    );
}

#[test]
fn conversations_that_make_no_sense_are_refused() {
    let pictured = Message {
        pictures: 1,
        ..Message::assistant("b")
    };
    for messages in [
        vec![],
        vec![Message::assistant("a")],
        vec![Message::user("a", 0), Message::user("b", 0)],
        vec![
            Message::user("a", 0),
            Message::assistant("b"),
            Message::assistant("c"),
        ],
        vec![Message::user("", 0)],
        vec![
            Message::user("", 0),
            Message::assistant("b"),
            Message::user("c", 0),
        ],
        vec![Message::user("a", 0), pictured],
    ] {
        let refused = render(&conversation(messages.clone()));
        assert!(matches!(refused, Err(Error::Request(_))), "{messages:?}");
    }
    let answered = conversation(vec![Message::user("a", 0), Message::assistant("b")]);
    assert!(certain_prefix(&answered, &small()).is_err());
    assert!(certain_prefix(&conversation(vec![]), &small()).is_err());
}

#[test]
fn what_is_certain_reaches_the_last_picture() {
    let talk = conversation(vec![Message::user("", 2)]);
    let certain = certain_prefix(&talk, &small()).unwrap();
    assert_eq!(certain.last(), Some(&PromptToken::Picture(1)));
    let bare = certain_prefix(&conversation(vec![Message::user("", 0)]), &small()).unwrap();
    let colon = small()
        .encode(":")
        .unwrap()
        .last()
        .copied()
        .map(PromptToken::Id);
    assert_eq!(bare.last().copied(), colon);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[ \\n\\t<>/simageUSER:]{0,16}",
        prop::sample::select(vec![
            "<image>",
            "</s>",
            "<s>",
            "USER:",
            "ASSISTANT:",
            "<unk>",
            "<0x0A>",
            "▁▁"
        ])
        .prop_map(str::to_owned),
    ]
}

fn any_talk() -> impl Strategy<Value = Conversation> {
    let turn = (any_text(), 0usize..3, any_text());
    (
        prop::option::of(any_text()),
        prop::collection::vec(turn, 1..4),
        any::<bool>(),
    )
        .prop_map(|(system, turns, answered)| {
            let mut messages: Vec<Message> = turns
                .into_iter()
                .flat_map(|(question, pictures, answer)| {
                    let question = if pictures == 0 {
                        format!("q{question}")
                    } else {
                        question
                    };
                    [
                        Message::user(question, pictures),
                        Message::assistant(answer),
                    ]
                })
                .collect();
            if !answered {
                messages.pop();
            }
            Conversation { system, messages }
        })
}

proptest! {
    #[test]
    fn typed_text_never_becomes_a_marker(talk in any_talk()) {
        let small = small();
        let tokens = tokenize(&talk, &small).unwrap();
        let count = |id: u32| tokens.iter().filter(|t| **t == PromptToken::Id(id)).count();
        prop_assert_eq!(tokens.first(), Some(&PromptToken::Id(small.bos())));
        prop_assert_eq!((count(0), count(small.bos())), (0, 1));
        prop_assert_eq!(count(small.eos()), (talk.messages.len() - 1) / 2);
        let pictures: Vec<usize> =
            tokens.iter().filter_map(|t| if let PromptToken::Picture(n) = t { Some(*n) } else { None }).collect();
        prop_assert_eq!(pictures, (0..talk.pictures()).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_certain_stays(talk in any_talk(), typed in any_text()) {
        let small = small();
        let mut talk = talk;
        if talk.messages.len() % 2 == 0 {
            talk.messages.pop();
        }
        let last = talk.messages.len() - 1;
        talk.messages[last].text.clear();
        let certain = certain_prefix(&talk, &small).unwrap();
        talk.messages[last].text = format!("{typed}.");
        let whole = tokenize(&talk, &small).unwrap();
        prop_assert!(whole.starts_with(&certain));
        prop_assert!(!certain.is_empty());
    }
}
