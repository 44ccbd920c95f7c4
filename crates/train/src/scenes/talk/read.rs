//! Questions about printed words and numbers.

use super::{Asking, Draft};

impl Asking<'_, '_> {
    pub(super) fn reading(&mut self) -> Option<Draft> {
        let print = self.scene.print.as_ref().filter(|print| !print.is_number)?;
        let question = self.print_question(false);
        Some(Draft::short(question, print.text.clone()))
    }

    pub(super) fn number(&mut self) -> Option<Draft> {
        let print = self.scene.print.as_ref().filter(|print| print.is_number)?;
        let question = self.print_question(true);
        Some(Draft::short(question, print.text.clone()))
    }

    /// Whichever is printed.
    pub(super) fn printed(&mut self) -> Option<Draft> {
        if self.scene.print.as_ref()?.is_number {
            self.number()
        } else {
            self.reading()
        }
    }

    pub(super) fn print_question(&mut self, number: bool) -> String {
        if number {
            let english = self.dice.one_of([
                "What number is printed?",
                "What is the number in the image?",
                "Which number do you see?",
            ]);
            return self.say(english, "图中的数字是多少？");
        }
        let english = self.dice.one_of([
            "What word is printed?",
            "What does the text say?",
            "What is the word in the image?",
        ]);
        self.say(english, "图中写的是什么？")
    }
}
