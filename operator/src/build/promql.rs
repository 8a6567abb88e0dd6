//! Expressions of PromQL, as far as it takes to have them look at some series only.
//!
//! Knows the words of the language and nothing of what they mean. What it makes of the rules is read by Prometheus in
//! `tests/contract`, and passes their unit tests.

/// Words with a list of labels behind them, which are no series.
const BEFORE_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that stand alone.
const WORDS: [&str; 8] = ["and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"];

/// The expression with these matchers in every selector of series.
pub(super) fn scoped(expression: &str, matchers: &str) -> String {
    let mut scoped = String::with_capacity(expression.len() * 2);
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let (token, behind) = rest.split_at(token_length(rest, first));
        rest = behind;
        scoped += token;
        if BEFORE_LABELS.contains(&token) {
            let (list, behind) = rest.split_at(list_length(rest));
            (scoped, rest) = (scoped + list, behind);
        } else if first == '{' {
            scoped += matchers;
            scoped += if rest.starts_with('}') { "" } else { ", " };
            let (labels, behind) = rest.split_at(length_through(rest, '}'));
            (scoped, rest) = (scoped + labels, behind);
        } else if begins_a_word(first) && is_metric(token, rest) && !rest.starts_with('{') {
            scoped += &format!("{{{matchers}}}");
        }
    }
    scoped
}

/// Neither a word of the language nor the name of a function or an aggregation.
fn is_metric(word: &str, behind: &str) -> bool {
    let next = behind.trim_start();
    // `sum(x)`, and `sum by (job) (x)`: only aggregations have that behind them.
    let is_called = next.starts_with('(') || ["by", "without"].iter().any(|word| begins_with_word(next, word));
    !is_called && !WORDS.contains(&word.to_ascii_lowercase().as_str())
}

/// A word, a number, a text, a range in brackets, or one character of anything else.
fn token_length(rest: &str, first: char) -> usize {
    match first {
        _ if begins_a_word(first) => rest.find(|c| !is_part(c)).unwrap_or(rest.len()),
        // With its exponent or unit: `1e6`, `5m`.
        '0'..='9' => rest.find(|c| !is_part(c) && c != '.').unwrap_or(rest.len()),
        '"' | '\'' | '`' => 1 + length_through(&rest[1..], first),
        '[' => length_through(rest, ']'),
        _ => first.len_utf8(),
    }
}

/// Up to and with `closing`; one in a text does not close.
fn length_through(rest: &str, closing: char) -> usize {
    let (mut is_escaped, mut text) = (false, None);
    for (at, c) in rest.char_indices() {
        match (text, c) {
            _ if is_escaped => is_escaped = false,
            (_, '\\') => is_escaped = true,
            (None, c) if c == closing => return at + c.len_utf8(),
            (None, '"' | '\'' | '`') => text = Some(c),
            (Some(quote), c) if c == quote => text = None,
            _ => {}
        }
    }
    rest.len()
}

/// A list of labels in parentheses with the blanks before it, if there is one.
fn list_length(rest: &str) -> usize {
    if rest.trim_start().starts_with('(') { length_through(rest, ')') } else { 0 }
}

fn begins_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(is_part))
}

fn begins_a_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: &str) {
        assert_eq!(scoped(expression, "n=\"a\""), expected, "{expression}");
    }

    #[test]
    fn every_selector_gets_the_matchers() {
        check("up == 0", "up{n=\"a\"} == 0");
        check("up{}", "up{n=\"a\"}");
        check("{job=\"x\"}", "{n=\"a\", job=\"x\"}");
        check(
            "a:b:c{s=~\"l|s\"} > 1e6 or b[5m] offset 1h",
            "a:b:c{n=\"a\", s=~\"l|s\"} > 1e6 or b{n=\"a\"}[5m] offset 1h",
        );
        check("min_over_time(q_bytes[2m]) > 0", "min_over_time(q_bytes{n=\"a\"}[2m]) > 0");
    }

    #[test]
    fn labels_texts_and_functions_get_none() {
        check(
            "sum by (job, le) (rate(a[5m])) / on (job) group_left () max without(x) (b)",
            "sum by (job, le) (rate(a{n=\"a\"}[5m])) / on (job) group_left () max without(x) (b{n=\"a\"})",
        );
        check("count_values by (job) (\"epoch\", e) > 1", "count_values by (job) (\"epoch\", e{n=\"a\"}) > 1");
        check(
            "label_replace(m, \"counter\", \"a\\\"b c\", \"\", \"\") / 2147483647 > bool 0.8",
            "label_replace(m{n=\"a\"}, \"counter\", \"a\\\"b c\", \"\", \"\") / 2147483647 > bool 0.8",
        );
        check("time() - vector(0) unless s", "time() - vector(0) unless s{n=\"a\"}");
        check("x{y=\"}\", z='a\"}'} and sum(w)", "x{n=\"a\", y=\"}\", z='a\"}'} and sum(w{n=\"a\"})");
    }
}
