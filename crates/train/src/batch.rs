//! Conversations with their pictures as one ragged batch of rows, without padding.

use crate::labels::Token;

/// A conversation ready to be learned.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// The picture's `(3, size, size)` pixels, if it has one.
    pub pixels: Option<Vec<f32>>,
}

/// Several conversations, laid out for the model.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Pixels of all pictures, one after the other.
    pub pixels: Vec<f32>,
    /// Vocabulary ids of all text positions.
    pub ids: Vec<u32>,
    /// For each row of the batch where it comes from: below `ids.len()` a text position, from
    /// there on a row of the pictures' features.
    pub order: Vec<u32>,
    /// Rows of each conversation.
    pub lengths: Vec<usize>,
    /// Rows that predict a learned token, rising.
    pub rows: Vec<u32>,
    /// The token each of them should predict.
    pub targets: Vec<u32>,
}

impl Batch {
    /// Lays out `samples`, each cut at `limit` positions.
    pub fn new<'a>(
        samples: impl IntoIterator<Item = &'a Sample> + Clone,
        image_tokens: usize,
        limit: usize,
    ) -> Self {
        let mut batch = Self::default();
        let texts = samples
            .clone()
            .into_iter()
            .flat_map(|s| &s.tokens)
            .filter(|t| **t != Token::Picture)
            .count();
        let mut pictures = 0;
        for sample in samples {
            let start = batch.order.len();
            let end = start + limit;
            for token in &sample.tokens {
                let row = batch.order.len();
                match token {
                    Token::Picture => {
                        let first = texts + pictures * image_tokens;
                        pictures += 1;
                        batch
                            .order
                            .extend((0..image_tokens).map(|i| (first + i) as u32));
                        batch.order.truncate(end);
                        batch.pixels.extend(sample.pixels.iter().flatten());
                    }
                    Token::Given(id) | Token::Learned(id) => {
                        if row < end {
                            batch.order.push(batch.ids.len() as u32);
                            if matches!(token, Token::Learned(_)) && row > start {
                                batch.rows.push((row - 1) as u32);
                                batch.targets.push(*id);
                            }
                        }
                        // Also past the limit: `order` counts on every text position being here.
                        batch.ids.push(*id);
                    }
                }
            }
            batch.lengths.push(batch.order.len() - start);
        }
        batch
    }

    /// Rows in all.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(tokens: &[Token], picture: bool) -> Sample {
        Sample {
            tokens: tokens.to_vec(),
            pixels: picture.then(|| vec![0.5; 6]),
        }
    }

    #[test]
    fn rows_lie_one_after_the_other_and_targets_are_shifted() {
        use Token::{Given, Learned, Picture};
        let one = sample(&[Given(1), Picture, Learned(7), Learned(2)], true);
        let two = sample(&[Given(1), Given(5), Learned(8)], false);
        let batch = Batch::new([&one, &two], 3, 100);
        // Six text positions; picture rows are numbered from 6.
        assert_eq!(batch.ids, [1, 7, 2, 1, 5, 8]);
        assert_eq!(batch.order, [0, 6, 7, 8, 1, 2, 3, 4, 5]);
        assert_eq!(batch.lengths, [6, 3]);
        // 7 is predicted by the picture's last row, 2 by 7, 8 by 5.
        assert_eq!((batch.rows, batch.targets), (vec![3, 4, 7], vec![7, 2, 8]));
        assert_eq!(batch.pixels.len(), 6);
    }

    #[test]
    fn what_is_past_the_limit_is_neither_read_nor_learned() {
        use Token::{Given, Learned, Picture};
        let one = sample(
            &[Given(1), Learned(9), Picture, Learned(7), Learned(2)],
            true,
        );
        let batch = Batch::new([&one, &one], 3, 4);
        assert_eq!(batch.lengths, [4, 4]);
        assert_eq!((batch.rows, batch.targets), (vec![0, 4], vec![9, 9]));
        let texts = batch.ids.len() as u32;
        assert_eq!(
            batch.order,
            [0, 1, texts, texts + 1, 4, 5, texts + 3, texts + 4]
        );
    }
}
