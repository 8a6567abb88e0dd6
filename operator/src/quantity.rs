//! Sizes in Kubernetes' notation.

/// The number of bytes of a size such as `10Gi`, `1.5G` or `1e9`; `None` if it is none.
#[must_use]
pub fn bytes(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 13] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
        ("m", 1e-3),
    ];
    let unit = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1.0));
    let number: f64 = number.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_compared_whatever_their_units() {
        assert_eq!(bytes("1Gi"), bytes("1024Mi"));
        assert_eq!(bytes("1G"), bytes("1000M"));
        assert_eq!(bytes("1500m"), Some(1.5));
        assert_eq!(bytes("1e9"), Some(1e9));
        assert!(bytes("1Gi") > bytes("1G"));
        for wrong in ["", "Gi", "ten", "-1Gi", "inf", "1 Gi"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
