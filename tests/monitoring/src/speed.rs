//! Rules in which an hour lasts a minute.
//!
//! Alerts wait for minutes and look back over hours; a test cannot. So it runs the published rules sixty times as fast: every
//! duration that stands where Prometheus wants one (`[5m]`, `for: 2m`, `interval: 15s`) is divided by sixty, and so are the
//! horizons in seconds that stand as numbers (a day, four hours). Thresholds stay what they are.

/// How much faster.
const SPEED: u64 = 60;

/// Numbers of seconds in the rules that mean a span of time.
const SPANS: &[(&str, &str)] = &[(", 14400)", ", 240)"), ("> 86400", "> 1440")];

/// The text of a rule file, sped up.
///
/// # Panics
/// When a duration becomes less than a millisecond, which Prometheus does not know.
pub fn up(rules: &str) -> String {
    let mut text = String::with_capacity(rules.len());
    for line in rules.lines() {
        let mut rest = line;
        while let Some((before, duration, behind)) = next_duration(rest) {
            text.push_str(before);
            text.push_str(&shortened(duration));
            rest = behind;
        }
        text.push_str(rest);
        text.push('\n');
    }
    SPANS.iter().fold(text, |text, (slow, fast)| text.replace(slow, fast))
}

/// The first duration in its place, with what is in front of it and behind it.
fn next_duration(line: &str) -> Option<(&str, &str, &str)> {
    for (at, _) in line.char_indices() {
        let place = ["[", "for: ", "interval: "].iter().find(|place| line[..at].ends_with(*place));
        let length = line[at..].find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len() - at);
        let word = &line[at..at + length];
        if place.is_some() && milliseconds(word).is_some() {
            return Some((&line[..at], word, &line[at + length..]));
        }
    }
    None
}

fn milliseconds(word: &str) -> Option<u64> {
    let (number, unit) = word.split_at(word.find(|c: char| !c.is_ascii_digit())?);
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? * unit)
}

fn shortened(duration: &str) -> String {
    let fast = milliseconds(duration).unwrap_or_default() / SPEED;
    assert!(fast > 0, "{duration} becomes too short");
    format!("{fast}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_durations_are_shortened() {
        let slow = "interval: 15s\nfor: 2m\nexpr: rate(a[5m]) + b[1h] > 2 and x - y > 86400\ntext: within 5m, [a5m]\n";
        let fast = "interval: 250ms\nfor: 2000ms\nexpr: rate(a[5000ms]) + b[60000ms] > 2 and x - y > 1440\ntext: within 5m, [a5m]\n";
        assert_eq!(up(slow), fast);
        assert_eq!(up("predict_linear(a[2h], 14400) < 0"), "predict_linear(a[120000ms], 240) < 0\n");
    }
}
