//! What can be drawn and how it is called in both languages.
//!
//! The words are few and regular on purpose: a vocabulary of some hundred pieces covers them,
//! and a small model spends its weights on seeing.

/// The two languages of the conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Language {
    /// English.
    #[serde(rename = "en")]
    English,
    /// Simplified Chinese.
    #[serde(rename = "zh")]
    Chinese,
}

impl Language {
    /// `en`, `zh`.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }
}

/// An enum with a word in each language.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($item:ident: $english:literal $chinese:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = $english] $item),+
        }

        impl $name {
            /// All of them, in a fixed order.
            pub const ALL: [Self; [$($english),+].len()] = [$(Self::$item),+];

            /// Its word.
            pub fn word(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$item, Language::English) => $english,
                      (Self::$item, Language::Chinese) => $chinese,)+
                }
            }
        }
    };
}

words! {
    /// What an object is.
    Shape {
        Circle: "circle" "圆形",
        Square: "square" "正方形",
        Triangle: "triangle" "三角形",
        Star: "star" "星星",
        Heart: "heart" "爱心",
        Cross: "cross" "十字",
        Diamond: "diamond" "菱形",
        Moon: "moon" "月亮",
        Arrow: "arrow" "箭头",
        House: "house" "房子",
    }
}

words! {
    /// The colour of an object or of letters.
    Colour {
        Red: "red" "红色",
        Orange: "orange" "橙色",
        Yellow: "yellow" "黄色",
        Green: "green" "绿色",
        Blue: "blue" "蓝色",
        Purple: "purple" "紫色",
        Pink: "pink" "粉色",
        Brown: "brown" "棕色",
        Black: "black" "黑色",
        White: "white" "白色",
    }
}

words! {
    /// How an object's area is filled.
    Texture {
        Solid: "solid" "纯色",
        Striped: "striped" "条纹",
        Dotted: "dotted" "圆点",
        Outlined: "outlined" "空心",
    }
}

words! {
    /// The two sizes that are told apart; nothing is drawn between them.
    Size {
        Small: "small" "小",
        Large: "large" "大",
    }
}

words! {
    /// Where an arrow points.
    Heading {
        Up: "up" "上",
        Right: "right" "右",
        Down: "down" "下",
        Left: "left" "左",
    }
}

words! {
    /// The ninth of the picture in which a centre lies.
    Place {
        TopLeft: "top left" "左上方",
        Top: "top" "上方",
        TopRight: "top right" "右上方",
        Left: "left" "左边",
        Centre: "center" "中间",
        Right: "right" "右边",
        BottomLeft: "bottom left" "左下方",
        Bottom: "bottom" "下方",
        BottomRight: "bottom right" "右下方",
    }
}

words! {
    /// How one object lies to another.
    Relation {
        LeftOf: "to the left of" "左边",
        RightOf: "to the right of" "右边",
        Above: "above" "上面",
        Below: "below" "下面",
    }
}

impl Shape {
    /// How often it is drawn. Some shapes are commoner than others, as things in photographs
    /// are; questions about what is not there can then ask for what often is ("popular" in POPE,
    /// arXiv 2305.10355).
    pub fn weight(self) -> f32 {
        if self.is_popular() { 1.6 } else { 1.0 }
    }

    /// Whether it is among the commoner half.
    pub fn is_popular(self) -> bool {
        matches!(
            self,
            Self::Circle | Self::Square | Self::Triangle | Self::Star | Self::Heart
        )
    }

    /// The plural in English.
    pub fn plural(self) -> String {
        let word = self.word(Language::English);
        match self {
            Self::Cross => "crosses".to_owned(),
            _ => format!("{word}s"),
        }
    }
}

impl Colour {
    /// Its middle in 8-bit sRGB; what is drawn lies near it.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [212, 38, 38],
            Self::Orange => [245, 132, 28],
            Self::Yellow => [250, 214, 48],
            Self::Green => [48, 158, 70],
            Self::Blue => [38, 96, 212],
            Self::Purple => [132, 62, 184],
            Self::Pink => [246, 132, 186],
            Self::Brown => [122, 74, 42],
            Self::Black => [24, 24, 28],
            Self::White => [248, 248, 248],
        }
    }
}

impl Relation {
    /// The same fact seen from the other object.
    pub fn inverse(self) -> Self {
        match self {
            Self::LeftOf => Self::RightOf,
            Self::RightOf => Self::LeftOf,
            Self::Above => Self::Below,
            Self::Below => Self::Above,
        }
    }
}

/// Whether this combination is kept out of everything the model is trained on: one shape of each
/// colour, one colour of each shape. Only the test draws it or speaks of it, so that a right answer
/// there shows that colour and shape were learned apart.
pub fn only_in_test(colour: Colour, shape: Shape) -> bool {
    // A permutation: 3 and 10 have no common factor.
    (colour as usize * 3 + 2) % Shape::ALL.len() == shape as usize
}

/// The words that are printed in pictures.
pub const WORDS: [&str; 100] = [
    "apple", "bank", "bear", "bell", "bird", "boat", "book", "bread", "bus", "cake", "camp", "car",
    "card", "cat", "chair", "city", "clock", "cloud", "coat", "coffee", "corn", "cow", "cup",
    "dance", "desk", "dog", "door", "duck", "eagle", "exit", "farm", "fire", "fish", "flag",
    "food", "fork", "fox", "frog", "game", "garden", "gift", "glass", "goat", "gold", "grass",
    "hat", "hello", "horse", "hotel", "ice", "island", "jump", "key", "king", "lake", "lamp",
    "leaf", "lemon", "lion", "map", "market", "milk", "money", "mouse", "music", "ocean", "open",
    "owl", "paper", "park", "peace", "pen", "piano", "pizza", "plant", "queen", "radio", "rain",
    "river", "road", "salt", "school", "sea", "shop", "snow", "south", "spoon", "stop", "sugar",
    "sun", "table", "taxi", "tea", "tiger", "train", "water", "west", "wind", "zebra", "zoo",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn one_pair_of_every_colour_and_shape_is_kept_back() {
        for colour in Colour::ALL {
            let kept = Shape::ALL.into_iter().filter(|s| only_in_test(colour, *s));
            assert_eq!(kept.count(), 1);
        }
        for shape in Shape::ALL {
            let kept = Colour::ALL.into_iter().filter(|c| only_in_test(*c, shape));
            assert_eq!(kept.count(), 1);
        }
    }

    #[test]
    fn words_are_distinct_and_mean_nothing_else_here() {
        let words: HashSet<&str> = WORDS.into_iter().collect();
        assert_eq!(words.len(), WORDS.len());
        for language in [Language::English, Language::Chinese] {
            let mut names: Vec<&str> = Colour::ALL.map(|c| c.word(language)).to_vec();
            names.extend(Shape::ALL.map(|s| s.word(language)));
            names.extend(Texture::ALL.map(|t| t.word(language)));
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
            assert!(names.iter().all(|name| !words.contains(name)));
        }
    }
}
