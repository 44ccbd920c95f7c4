//! A summary as a person reads it on a terminal.

use std::fmt::Write;
use visavis_eval::summary::Summary;
use visavis_eval::targets::practice_model;

/// The rows, POPE's figures, the targets and the totals.
pub(super) fn table(summary: &Summary) -> String {
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = writeln!(text, "{} ({})", summary.model, summary.format);
    let _ = writeln!(
        text,
        "{:<12} {:<4} {:>9} {:>7} {:>9} {:>7}",
        "kind", "", "questions", "score", "new pairs", "formed"
    );
    for row in &summary.rows {
        let unseen = row.unseen_score.map(percent).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:<12} {:<4} {:>9} {:>7} {:>9} {:>7}",
            row.category,
            row.language,
            row.questions,
            percent(row.score),
            unseen,
            percent(row.formed)
        );
    }
    if let Some(f1) = summary.mean_f1() {
        let _ = writeln!(text, "F1 of yes and no, as POPE: {}", percent(f1));
    }
    for outcome in practice_model(summary) {
        if let (Some(measured), Some(false)) = (&outcome.measured, outcome.met) {
            let _ = writeln!(
                text,
                "short of its target: {}: {measured}, wanted {}",
                outcome.name, outcome.target
            );
        }
    }
    let _ = write!(
        text,
        "all {}: {} in {:.0} s",
        summary.questions,
        percent(summary.score()),
        summary.seconds
    );
    if let Some(loss) = summary.loss {
        let _ = write!(text, ", loss {:.4}", loss.mean);
    }
    text.push('\n');
    text
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
