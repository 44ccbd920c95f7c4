//! Answer styles as options. The wording of each is the model crate's.

use crate::failure::Failure;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use visavis_llava::boxes;
pub(crate) use visavis_llava::boxes::PixelBox;
use visavis_llava::prompt::style::Ask;
pub(crate) use visavis_llava::prompt::style::Style;

/// As typed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Answer style")]
pub(crate) struct StyleArgs {
    /// The form of the answer [default: chat for a question, caption for folders]
    #[arg(long, value_name = "STYLE", value_parser = style_names())]
    style: Option<Style>,
    /// Let the model answer "Unanswerable" where it cannot tell
    #[arg(long)]
    may_decline: bool,
    /// For choice: an option to choose from, without its letter; give one for each
    #[arg(long = "option", value_name = "TEXT")]
    options: Vec<String>,
    /// For region: the area, in pixels of the picture
    #[arg(long, value_name = "X1,Y1,X2,Y2", value_parser = region)]
    region: Option<PixelBox>,
    /// For json: a field to fill in; give one for each, or write the form into the question
    #[arg(long = "field", value_name = "NAME")]
    fields: Vec<String>,
    /// For ocr: a word that was read in the picture; give one for each
    #[arg(long = "ocr-token", value_name = "TEXT")]
    ocr_tokens: Vec<String>,
}

/// A style with what it needs besides the question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AnswerStyle {
    pub(crate) style: Style,
    pub(crate) may_decline: bool,
    options: Vec<String>,
    region: Option<PixelBox>,
    fields: Vec<String>,
    ocr_tokens: Vec<String>,
}

impl StyleArgs {
    /// Checks that every option belongs to the style, which is `default` if none is named.
    pub(crate) fn typed(self, default: Style) -> Result<AnswerStyle, Failure> {
        let style = self.style.unwrap_or(default);
        let owners = [
            ("--option", !self.options.is_empty(), Style::Choice),
            ("--region", self.region.is_some(), Style::Region),
            ("--field", !self.fields.is_empty(), Style::Json),
            ("--ocr-token", !self.ocr_tokens.is_empty(), Style::Ocr),
        ];
        if let Some((option, _, owner)) = owners
            .iter()
            .find(|(_, given, owner)| *given && *owner != style)
        {
            return Err(Failure::usage(format!(
                "{option} goes with --style {owner}"
            )));
        }
        Ok(AnswerStyle {
            style,
            may_decline: self.may_decline,
            options: self.options,
            region: self.region,
            fields: self.fields,
            ocr_tokens: self.ocr_tokens,
        })
    }
}

impl AnswerStyle {
    /// A style that needs nothing but the question.
    #[cfg(test)]
    pub(crate) fn plain(style: Style) -> Self {
        let none = Vec::new;
        Self {
            style,
            may_decline: false,
            options: none(),
            region: None,
            fields: none(),
            ocr_tokens: none(),
        }
    }

    /// Whether `question` and the options together are a question, before any picture is read.
    pub(crate) fn check(&self, question: &str) -> Result<(), Failure> {
        if self.style == Style::Chat && question.trim().is_empty() {
            return Err(Failure::usage("a question is missing"));
        }
        // Which picture the area lies in does not matter here.
        self.prompt(question, (1, 1))
            .map(|_| ())
            .map_err(Failure::usage)
    }

    /// Whether the area that is asked about is given in pixels of the one picture.
    pub(crate) fn needs_one_picture(&self) -> bool {
        self.region.is_some()
    }

    /// The text of the message, for pictures of these widths and heights.
    pub(crate) fn wording(&self, question: &str, sizes: &[(u32, u32)]) -> Result<String, Failure> {
        let (width, height) = sizes.first().copied().unwrap_or((1, 1));
        if let Some(region) = self.region
            && (region.x1 >= f64::from(width) || region.y1 >= f64::from(height))
        {
            return Err(Failure::new(format!(
                "the region begins at {},{}, outside the picture of {width} x {height} pixels",
                region.x1, region.y1
            )));
        }
        self.prompt(question, (width, height)).map_err(Failure::new)
    }

    fn prompt(&self, question: &str, (width, height): (u32, u32)) -> Result<String, String> {
        let ask = Ask {
            style: self.style,
            question: question.to_owned(),
            may_decline: self.may_decline,
            options: self.options.clone(),
            region: self.region.map(|region| region.to_square(width, height)),
            fields: self.fields.clone(),
            ocr_tokens: self.ocr_tokens.clone(),
        };
        ask.prompt().map_err(|error| error.to_string())
    }

    /// The boxes in an answer, in pixels of the picture; `None` for styles that ask for none.
    pub(crate) fn boxes(&self, answer: &str, (width, height): (u32, u32)) -> Option<Vec<PixelBox>> {
        let found = (self.style == Style::Box).then(|| boxes::find(answer))?;
        Some(
            found
                .into_iter()
                .map(|found| to_hundredths(found.bounds.to_picture(width, height)))
                .collect(),
        )
    }
}

/// The model's two decimals of a square leave no meaning to more digits than these.
fn to_hundredths(b: PixelBox) -> PixelBox {
    let [x1, y1, x2, y2] = [b.x1, b.y1, b.x2, b.y2].map(|v| (v * 100.0).round() / 100.0);
    PixelBox { x1, y1, x2, y2 }
}

fn style_names() -> impl TypedValueParser<Value = Style> {
    PossibleValuesParser::new(
        Style::ALL.map(|style| PossibleValue::new(style.name()).help(style.description())),
    )
    .try_map(|name| name.parse::<Style>())
}

fn region(text: &str) -> Result<PixelBox, String> {
    let numbers: Vec<f64> = text
        .split(',')
        .map(|part| {
            part.trim()
                .parse()
                .ok()
                .filter(|v: &f64| v.is_finite() && *v >= 0.0)
        })
        .collect::<Option<_>>()
        .ok_or("must be four numbers, 0 or more, such as 40,60,200,180")?;
    let &[x1, y1, x2, y2] = numbers.as_slice() else {
        return Err("must be four numbers, such as 40,60,200,180".to_owned());
    };
    if x1 == x2 || y1 == y2 {
        return Err("is an area without width or height".to_owned());
    }
    Ok(PixelBox {
        x1: x1.min(x2),
        y1: y1.min(y2),
        x2: x1.max(x2),
        y2: y1.max(y2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_region(text: &str) -> AnswerStyle {
        AnswerStyle {
            region: Some(region(text).unwrap()),
            ..AnswerStyle::plain(Style::Region)
        }
    }

    #[test]
    fn regions_are_four_numbers() {
        assert_eq!(
            region("40, 60,200,180.5").unwrap(),
            PixelBox {
                x1: 40.0,
                y1: 60.0,
                x2: 200.0,
                y2: 180.5
            }
        );
        assert_eq!(
            region("200,180,40,60").unwrap(),
            region("40,60,200,180").unwrap()
        );
        for bad in [
            "",
            "1,2,3",
            "1,2,3,4,5",
            "a,b,c,d",
            "1,2,1,4",
            "nan,0,1,1",
            "-1,0,1,1",
        ] {
            assert!(region(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_region_in_pixels_reaches_the_prompt_in_fractions_of_the_padded_square() {
        let text = with_region("0,0,100,100")
            .wording("", &[(200, 100)])
            .unwrap();
        assert!(text.ends_with("[0.00, 0.25, 0.50, 0.75]"), "{text}");
        assert!(
            with_region("300,0,400,50")
                .wording("", &[(200, 100)])
                .is_err()
        );
    }

    #[test]
    fn boxes_come_back_in_pixels_for_the_style_that_asks_for_them() {
        let answer = "[0.00, 0.25, 0.50, 0.75]";
        let found = AnswerStyle::plain(Style::Box)
            .boxes(answer, (200, 100))
            .unwrap();
        assert_eq!(
            found,
            [PixelBox {
                x1: 0.0,
                y1: 0.0,
                x2: 100.0,
                y2: 100.0
            }]
        );
        assert_eq!(
            AnswerStyle::plain(Style::Box).boxes("nowhere", (200, 100)),
            Some(Vec::new())
        );
        assert_eq!(
            AnswerStyle::plain(Style::Chat).boxes(answer, (200, 100)),
            None
        );
    }

    #[test]
    fn what_a_style_lacks_is_wrong_usage() {
        for style in [
            Style::Chat,
            Style::Short,
            Style::Choice,
            Style::Box,
            Style::Json,
            Style::Check,
        ] {
            assert_eq!(
                AnswerStyle::plain(style).check(" ").unwrap_err().status(),
                2,
                "{style}"
            );
        }
        for style in [Style::Caption, Style::Detailed] {
            AnswerStyle::plain(style).check("").unwrap();
        }
        with_region("1,2,3,4").check("").unwrap();
    }
}
