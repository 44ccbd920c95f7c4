//! Tensor names: every llava-hf spelling to the classic one.

/// Which generation of transformers wrote the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `language_model.model.…`, `vision_tower.…` (every published llava-hf file).
    Classic,
    /// `model.language_model.…`, `model.vision_tower.…`, `lm_head.weight`.
    New,
}

impl Layout {
    pub(crate) fn of<'a>(mut names: impl Iterator<Item = &'a str>) -> Self {
        let new = names.any(|n| n.starts_with("model.language_model."));
        if new { Self::New } else { Self::Classic }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::New => "new",
        }
    }
}

/// The classic name of a stored tensor; names of neither layout are returned as they are.
pub(crate) fn canonical(stored: &str) -> String {
    if let Some(rest) = stored.strip_prefix("model.language_model.") {
        return format!("language_model.model.{rest}");
    }
    if stored.starts_with("lm_head.") {
        return format!("language_model.{stored}");
    }
    let short = stored.strip_prefix("model.").unwrap_or(stored);
    if let Some(rest) = short.strip_prefix("vision_tower.") {
        let rest = rest.strip_prefix("vision_model.").unwrap_or(rest);
        return format!("vision_tower.vision_model.{rest}");
    }
    if let Some(rest) = short.strip_prefix("mm_projector.") {
        return projector(rest);
    }
    if short.starts_with("multi_modal_projector.") {
        return short.to_owned();
    }
    stored.to_owned()
}

/// `mm_projector.{0,2,4}` are the linear layers of the original's `nn.Sequential`; a plain
/// `linear` connector has no index.
fn projector(rest: &str) -> String {
    match rest.split_once('.') {
        Some((index, tail)) => match index.parse::<usize>() {
            Ok(i) => format!("multi_modal_projector.linear_{}.{tail}", i / 2 + 1),
            Err(_) => format!("multi_modal_projector.{rest}"),
        },
        None => format!("multi_modal_projector.linear_1.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn both_layouts_meet() {
        let pairs = [
            (
                "language_model.model.norm.weight",
                "language_model.model.norm.weight",
            ),
            (
                "model.language_model.norm.weight",
                "language_model.model.norm.weight",
            ),
            ("lm_head.weight", "language_model.lm_head.weight"),
            (
                "language_model.lm_head.weight",
                "language_model.lm_head.weight",
            ),
            (
                "model.vision_tower.vision_model.pre_layrnorm.bias",
                "vision_tower.vision_model.pre_layrnorm.bias",
            ),
            (
                "model.vision_tower.pre_layrnorm.bias",
                "vision_tower.vision_model.pre_layrnorm.bias",
            ),
            (
                "vision_tower.vision_model.pre_layrnorm.bias",
                "vision_tower.vision_model.pre_layrnorm.bias",
            ),
            (
                "model.multi_modal_projector.linear_1.bias",
                "multi_modal_projector.linear_1.bias",
            ),
            (
                "model.mm_projector.2.weight",
                "multi_modal_projector.linear_2.weight",
            ),
            (
                "model.mm_projector.weight",
                "multi_modal_projector.linear_1.weight",
            ),
        ];
        for (stored, classic) in pairs {
            assert_eq!(canonical(stored), classic);
        }
    }
}
