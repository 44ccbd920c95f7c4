//! The answer normaliser of the VQA benchmarks, as LLaVA's evaluation uses it (EvalAI's and M4C's
//! `EvalAIAnswerProcessor`): VQAv2 and VizWiz submissions, TextVQA's accuracy.

/// Removed or replaced by a space, in this order.
const PUNCTUATION: [char; 21] = [
    ';', '/', '[', ']', '"', '{', '}', '(', ')', '=', '+', '\\', '_', '-', '>', '<', '@', '`', ',',
    '?', '!',
];

/// The most periods that are removed: an accident of the reference (a count of flags).
const MOST_PERIODS: usize = 32;

/// An answer without what does not count: case, punctuation, articles, number words up to ten,
/// missing apostrophes.
pub fn normalise(answer: &str) -> String {
    let text = answer
        .to_lowercase()
        .replace([',', '?'], "")
        .replace("'s", " 's");
    let text = text.trim().replace(['\n', '\t'], " ");
    words(&without_punctuation(text.trim()))
}

fn without_punctuation(input: &str) -> String {
    let digits_around_comma = has_comma_between_digits(input);
    let mut output = input.to_owned();
    for mark in PUNCTUATION {
        let beside_space =
            input.contains(&format!("{mark} ")) || input.contains(&format!(" {mark}"));
        let by = if beside_space || digits_around_comma {
            ""
        } else {
            " "
        };
        output = output.replace(mark, by);
    }
    without_periods(&output)
}

fn has_comma_between_digits(text: &str) -> bool {
    let mut before = None;
    let mut commas = false;
    for letter in text.chars() {
        match letter {
            ',' if before.is_some_and(|c: char| c.is_numeric()) || commas => commas = true,
            _ if commas && letter.is_numeric() => return true,
            _ => commas = false,
        }
        if letter != ',' {
            before = Some(letter);
        }
    }
    false
}

/// Without periods that no digit follows.
fn without_periods(text: &str) -> String {
    let mut left = MOST_PERIODS;
    let mut output = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let number_follows = letters.peek().is_some_and(|next| next.is_numeric());
        if letter == '.' && !number_follows && left > 0 {
            left -= 1;
        } else {
            output.push(letter);
        }
    }
    output
}

fn words(text: &str) -> String {
    let kept: Vec<String> = text
        .to_lowercase()
        .split_whitespace()
        .map(number)
        .filter(|word| !["a", "an", "the"].contains(word))
        .map(contraction)
        .collect();
    kept.join(" ")
}

fn number(word: &str) -> &str {
    match word {
        "none" | "zero" => "0",
        "one" => "1",
        "two" => "2",
        "three" => "3",
        "four" => "4",
        "five" => "5",
        "six" => "6",
        "seven" => "7",
        "eight" => "8",
        "nine" => "9",
        "ten" => "10",
        other => other,
    }
}

/// Words whose apostrophe is left out: each becomes the word with it.
const REGULAR: [&str; 75] = [
    "ain't",
    "aren't",
    "can't",
    "could've",
    "couldn't",
    "didn't",
    "doesn't",
    "don't",
    "hadn't",
    "hasn't",
    "haven't",
    "he'd",
    "he's",
    "how'd",
    "how'll",
    "how's",
    "I'm",
    "I've",
    "isn't",
    "it'd",
    "it'll",
    "ma'am",
    "mightn't",
    "might've",
    "mustn't",
    "must've",
    "needn't",
    "not've",
    "o'clock",
    "oughtn't",
    "shan't",
    "should've",
    "shouldn't",
    "somebody'll",
    "somebody's",
    "someone'd",
    "someone'll",
    "someone's",
    "something'd",
    "something'll",
    "that's",
    "there'd",
    "there're",
    "there's",
    "they'd",
    "they'll",
    "they're",
    "they've",
    "'twas",
    "wasn't",
    "we've",
    "weren't",
    "what'll",
    "what're",
    "what's",
    "what've",
    "when's",
    "where'd",
    "where's",
    "where've",
    "who'd",
    "who'll",
    "who's",
    "who've",
    "why'll",
    "why're",
    "why's",
    "won't",
    "would've",
    "wouldn't",
    "y'all",
    "you'd",
    "you'll",
    "you're",
    "you've",
];

/// The others, as they are written and as they come out.
const IRREGULAR: [(&str, &str); 45] = [
    ("couldn'tve", "couldn't've"),
    ("couldnt've", "couldn't've"),
    ("hadnt've", "hadn't've"),
    ("hadn'tve", "hadn't've"),
    ("hed've", "he'd've"),
    ("he'dve", "he'd've"),
    ("Id've", "I'd've"),
    ("I'dve", "I'd've"),
    ("itd've", "it'd've"),
    ("it'dve", "it'd've"),
    ("let's", "let's"),
    ("mightnt've", "mightn't've"),
    ("mightn'tve", "mightn't've"),
    ("ow's'at", "'ow's'at"),
    ("'ows'at", "'ow's'at"),
    ("'ow'sat", "'ow's'at"),
    ("shed've", "she'd've"),
    ("she'dve", "she'd've"),
    ("she's", "she's"),
    ("shouldnt've", "shouldn't've"),
    ("shouldn'tve", "shouldn't've"),
    ("somebody'd", "somebodyd"),
    ("somebodyd've", "somebody'd've"),
    ("somebody'dve", "somebody'd've"),
    ("someoned've", "someone'd've"),
    ("someone'dve", "someone'd've"),
    ("somethingd've", "something'd've"),
    ("something'dve", "something'd've"),
    ("thered've", "there'd've"),
    ("there'dve", "there'd've"),
    ("theyd've", "they'd've"),
    ("they'dve", "they'd've"),
    ("wed've", "we'd've"),
    ("we'dve", "we'd've"),
    ("whod've", "who'd've"),
    ("who'dve", "who'd've"),
    ("wouldnt've", "wouldn't've"),
    ("wouldn'tve", "wouldn't've"),
    ("yall'll", "y'all'll"),
    ("y'allll", "y'all'll"),
    ("yall'd've", "y'all'd've"),
    ("y'alld've", "y'all'd've"),
    ("y'all'dve", "y'all'd've"),
    ("youd've", "you'd've"),
    ("you'dve", "you'd've"),
];

fn contraction(word: &str) -> String {
    let whole = REGULAR
        .into_iter()
        .find(|whole| !word.contains('\'') && whole.replace('\'', "") == word)
        .or_else(|| {
            let irregular = IRREGULAR.iter().find(|(written, _)| *written == word);
            irregular.map(|(_, whole)| *whole)
        });
    whole.unwrap_or(word).to_owned()
}

/// VQA accuracy of one answer against ten people's: the mean over the ten of
/// `min(1, matches among the other nine / 3)`. All must be normalised. `None` unless there are
/// ten.
pub fn vqa_accuracy(answer: &str, people: &[String]) -> Option<f64> {
    if people.len() != 10 {
        return None;
    }
    let matches = people.iter().filter(|person| *person == answer).count();
    let leaving_out = |person: &String| {
        let others = matches - usize::from(person == answer);
        (others as f64 / 3.0).min(1.0)
    };
    Some(people.iter().map(leaving_out).sum::<f64>() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, from the rules in order.
    #[test]
    fn cases() {
        for (answer, expected) in [
            ("Red.", "red"),
            ("The red star", "red star"),
            ("Two", "2"),
            ("None", "0"),
            ("dont", "don't"),
            ("The man's hat", "man 's hat"),
            ("1,000", "1000"),
            ("3.5", "3.5"),
            ("U.S.A.", "usa"),
            ("black-and-white", "black and white"),
            ("yes - no", "yes no"),
            ("left/right", "left right"),
            ("well!", "well"),
            ("a\nb", "b"),
            ("it's 5 o'clock", "it 's 5 o'clock"),
            ("somebody'd", "somebodyd"),
            ("youdve", "youdve"),
            ("", ""),
            ("星星", "星星"),
        ] {
            assert_eq!(normalise(answer), expected, "{answer:?}");
        }
    }

    #[test]
    fn only_so_many_periods_go() {
        assert_eq!(normalise(&".".repeat(40)), ".".repeat(8));
    }

    #[test]
    fn accuracy_leaves_one_person_out() {
        let people = |yes: usize| -> Vec<String> {
            (0..10)
                .map(|n| if n < yes { "yes" } else { "no" }.to_owned())
                .collect()
        };
        let of = |yes| vqa_accuracy("yes", &people(yes)).unwrap();
        assert_eq!(of(0), 0.0);
        // One: nine people see one match, the one who said so sees none.
        assert!((of(1) - 0.3).abs() < 1e-12);
        assert!((of(2) - 0.6).abs() < 1e-12);
        assert!((of(3) - 0.9).abs() < 1e-12);
        assert_eq!(of(4), 1.0);
        assert_eq!(vqa_accuracy("yes", &people(3)[1..]), None);
    }
}
