//! The names of metrics in an expression of PromQL.

use std::collections::BTreeSet;

/// Words with a list of labels behind them.
const BEFORE_LABELS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words of the language that stand alone.
const WORDS: &[&str] = &["and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"];

/// Every name of a metric in `expression`; functions, labels, numbers, ranges and texts are none.
pub fn of(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_alphabetic() || first == '_' || first == ':' {
            let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            rest = behind;
            // `sum(x)`, and `sum by (job) (x)`: nothing but an aggregation has that behind it.
            let next = behind.trim_start();
            let called = next.starts_with('(') || ["by", "without"].iter().any(|word| begins_with_word(next, word));
            if BEFORE_LABELS.contains(&word) {
                rest = skip_list(behind);
            } else if !called && !WORDS.contains(&word.to_ascii_lowercase().as_str()) {
                names.insert(word.to_owned());
            }
        } else if first.is_ascii_digit() {
            // A number, its exponent and all.
            rest = rest.trim_start_matches(|c: char| is_part(c) || c == '.');
        } else {
            rest = match first {
                '{' => after(rest, '}'),
                '[' => after(rest, ']'),
                '"' => after(rest, '"'),
                _ => &rest[first.len_utf8()..],
            };
        }
    }
    names
}

/// The name under which a metric is documented: what a histogram or summary is made of has its name and an ending.
pub fn documented(name: &str, known: &BTreeSet<String>) -> bool {
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|ending| name.strip_suffix(ending));
    known.contains(name) || base.is_some_and(|base| known.contains(base))
}

/// The names in the first column of the tables of a Markdown page, where they stand between backticks. A cell with several is of
/// the table of what there is not.
pub fn of_page(page: &str) -> BTreeSet<String> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let single = cells.filter(|(_, behind)| behind.trim_start().starts_with('|'));
    // Labels may stand behind the name.
    single.map(|(name, _)| name.split('{').next().unwrap_or(name).to_owned()).collect()
}

fn begins_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(is_part))
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// What follows `closing`, not counting an escaped one or one within a text.
fn after(text: &str, closing: char) -> &str {
    let (mut escaped, mut in_text) = (false, false);
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == closing && !in_text => return &text[at + c.len_utf8()..],
            '"' => in_text = !in_text,
            _ => {}
        }
    }
    ""
}

/// What follows the list of labels in parentheses, if there is one.
fn skip_list(text: &str) -> &str {
    match text.trim_start().strip_prefix('(') {
        Some(list) => list.split_once(')').map_or("", |(_, behind)| behind),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: &[&str]) {
        assert_eq!(of(expression).into_iter().collect::<Vec<_>>(), expected, "{expression}");
    }

    #[test]
    fn names_are_told_from_everything_else() {
        check("rate(a_total{x=\"b_total\", y=~\"}\\\"c\"}[5m]) > 1e6", &["a_total"]);
        check("sum by (instance, le) (a) / on (job) group_left () b", &["a", "b"]);
        check("sum(a) by(x) and bool_metric unless -b offset 5m", &["a", "b", "bool_metric"]);
        check("count_values by (job) (\"epoch\", e and on (i) s{state=\"leader\"} == 1) > 1", &["e", "s"]);
        check("instance:a:p99 > 0.5 or vector(0) or time() - b[$__range:5m]", &["b", "instance:a:p99"]);
        check("\"text\"", &[]);
    }

    #[test]
    fn parts_of_histograms_are_documented_with_them() {
        let known = of_page(
            "| Name | Kind |\n| --- | --- |\n| `a_seconds{phase}` | histogram |\n| `b_count` | gauge |\n`c`\n| `d`, `e` | none |",
        );
        assert_eq!(known.iter().collect::<Vec<_>>(), ["a_seconds", "b_count"]);
        for name in ["a_seconds_bucket", "a_seconds_count", "b_count"] {
            assert!(documented(name, &known), "{name}");
        }
        for name in ["a", "b", "a_seconds_bucket_sum"] {
            assert!(!documented(name, &known), "{name}");
        }
    }
}
