//! Noticing an answer that goes round in circles.

/// Longest block whose return is noticed: a long sentence.
const LONGEST_BLOCK: usize = 64;
/// The circling end of the answer must be at least this long ...
const SHORTEST_TAIL: usize = 64;
/// ... and hold its block at least this many times.
const LEAST_COPIES: usize = 4;

/// Notices when the last tokens of an answer are one block, exactly repeated: at least 64 tokens
/// that hold at least four copies of a block of at most 64.
///
/// Lists and tables do not trip it: their rows differ in a number or a word, and even a table
/// of equal rows must go on for 64 tokens. One word over and over trips it after 64 of them, a
/// sentence of 20 tokens after its fourth copy (80).
#[derive(Debug, Clone, Default)]
pub struct RepetitionDetector {
    ids: Vec<u32>,
    /// `matches[p - 1]`: for how many tokens, up to the last, each equals the one `p` before it.
    matches: Vec<usize>,
}

impl RepetitionDetector {
    /// For a new answer.
    pub fn new() -> Self {
        Self {
            ids: Vec::new(),
            matches: vec![0; LONGEST_BLOCK],
        }
    }

    /// Takes the next token; true when the answer now circles.
    pub fn push(&mut self, id: u32) -> bool {
        let mut circles = false;
        for (period, matched) in (1..).zip(&mut self.matches) {
            let before = self
                .ids
                .len()
                .checked_sub(period)
                .and_then(|at| self.ids.get(at));
            *matched = if before == Some(&id) { *matched + 1 } else { 0 };
            let tail = *matched + period;
            circles |= tail >= SHORTEST_TAIL.max(LEAST_COPIES * period);
        }
        self.ids.push(id);
        circles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tokens it takes, or `None`.
    fn fires_after(ids: impl IntoIterator<Item = u32>) -> Option<usize> {
        let mut detector = RepetitionDetector::new();
        ids.into_iter()
            .position(|id| detector.push(id))
            .map(|at| at + 1)
    }

    #[test]
    fn one_token_over_and_over_fires_after_64() {
        assert_eq!(fires_after([7; 63]), None);
        assert_eq!(fires_after([7; 100]), Some(64));
    }

    #[test]
    fn a_sentence_fires_with_its_fourth_copy_wherever_it_begins() {
        let start = (1000..1010).collect::<Vec<u32>>();
        let sentence: Vec<u32> = (1..=20).collect();
        let answer = start
            .into_iter()
            .chain(sentence.iter().copied().cycle().take(200));
        assert_eq!(fires_after(answer), Some(10 + 80));
    }

    #[test]
    fn the_longest_block_fires_and_a_longer_one_does_not() {
        let cycle = |n: u32| (0..n).cycle().take(2000);
        assert_eq!(fires_after(cycle(64)), Some(256));
        assert_eq!(fires_after(cycle(65)), None);
    }

    #[test]
    fn numbered_lists_and_tables_do_not_fire() {
        let list = (0..200u32).flat_map(|n| [13, 500 + n, 29_889, 319, 2983, 411, 263, 6575]);
        assert_eq!(fires_after(list), None);
        let row = |n: u32| {
            [
                13,
                29_989,
                900 + n,
                29_989,
                29_871,
                29_900,
                29_989,
                29_871,
                29_900,
                29_989,
            ]
        };
        assert_eq!(fires_after((0..100).flat_map(row)), None);
        // A ruler of a table: eight columns of the same three tokens.
        assert_eq!(fires_after([1, 2, 3].into_iter().cycle().take(24)), None);
    }

    #[test]
    fn a_break_starts_the_count_anew() {
        let answer = std::iter::repeat_n(7, 60)
            .chain([8])
            .chain(std::iter::repeat_n(7, 60));
        assert_eq!(fires_after(answer), None);
    }
}
