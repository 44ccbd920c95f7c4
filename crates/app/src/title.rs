//! A thread's title, from its first question.

/// Characters of a title; Chinese ones count double, as they are as wide.
const WIDTH: usize = 60;

/// The first line that says something, cut at a word. Empty when there is none.
pub(crate) fn from_question(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let line = words.join(" ");
    let mut width = 0;
    let mut end = 0;
    let mut last_blank = None;
    for (at, letter) in line.char_indices() {
        width += if visavis_store::spacing::is_cjk(letter) {
            2
        } else {
            1
        };
        if width > WIDTH {
            // A word that is longer than the title is cut in its middle.
            let cut = last_blank.filter(|blank| *blank * 2 > end).unwrap_or(end);
            let cut = line.get(..cut).unwrap_or_default().trim_end();
            return format!("{cut}…");
        }
        if letter == ' ' {
            last_blank = Some(at);
        }
        end = at + letter.len_utf8();
    }
    line
}

/// A title that a person typed: one line, at most 200 characters.
pub(crate) fn typed(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_questions_are_titles() {
        assert_eq!(from_question("  What is  this?\nTell me."), "What is this?");
        assert_eq!(from_question("\n\n图里有什么？"), "图里有什么？");
        assert_eq!(from_question(" \n"), "");
    }

    #[test]
    fn long_ones_are_cut_at_a_word() {
        let title = from_question(&"several words ".repeat(20));
        assert!(
            title.ends_with("words…") || title.ends_with("several…"),
            "{title}"
        );
        assert!(title.chars().count() <= WIDTH + 1);
        let one = from_question(&"x".repeat(500));
        assert_eq!(one.chars().count(), WIDTH + 1);
        let chinese = from_question(&"图".repeat(500));
        assert_eq!(chinese.chars().count(), WIDTH / 2 + 1);
    }
}
