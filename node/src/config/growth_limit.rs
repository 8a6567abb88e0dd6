//! Up to where the tree may grow: the value of `memory.growthLimit` (decision 0010).

/// The default growth limit, percent of the cgroup's limit.
const PERCENT_DEFAULT: u64 = 80;

/// Up to where the tree may grow (`ZOOKUBE_MEMORY_GROWTH_LIMIT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrowthLimit {
    /// As far as the kernel lets it.
    Off,
    /// Percent of the cgroup's limit; nothing where there is none.
    Percent(u64),
    /// This many bytes.
    Bytes(u64),
}

impl GrowthLimit {
    /// The limit where it does not depend on another.
    #[must_use]
    pub fn bytes(self) -> Option<u64> {
        if let GrowthLimit::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// Reads `off`, `80%`, or bytes as container engines write them: `50331648`, `48m`, `2g`, `512Mi`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<GrowthLimit, String> {
        let text = text.trim();
        let limit = if text.eq_ignore_ascii_case("off") {
            Some(GrowthLimit::Off)
        } else if let Some(percent) = text.strip_suffix('%') {
            percent.trim().parse().ok().filter(|percent| (1..=100).contains(percent)).map(GrowthLimit::Percent)
        } else {
            bytes(text).filter(|bytes| *bytes > 0).map(GrowthLimit::Bytes)
        };
        limit.ok_or_else(|| format!("expected off, a share such as 80%, or a size such as 48m; found {text:?}"))
    }
}

impl Default for GrowthLimit {
    fn default() -> GrowthLimit {
        GrowthLimit::Percent(PERCENT_DEFAULT)
    }
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::GrowthLimit;

    #[test]
    fn growth_limits_are_read() {
        for (text, expected) in [
            ("off", GrowthLimit::Off),
            ("80%", GrowthLimit::Percent(80)),
            (" 100 % ", GrowthLimit::Percent(100)),
            ("48m", GrowthLimit::Bytes(48 << 20)),
            ("512Mi", GrowthLimit::Bytes(512 << 20)),
            ("2GB", GrowthLimit::Bytes(2 << 30)),
            ("1000000", GrowthLimit::Bytes(1_000_000)),
        ] {
            assert_eq!(GrowthLimit::parse(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "0%", "101%", "80 percent", "-1", "m", "1t", "99999999999999999999g"] {
            let refusal = GrowthLimit::parse(text).unwrap_err();
            assert!(refusal.contains("such as 80%") && refusal.contains(text.trim()), "{refusal}");
        }
    }
}
