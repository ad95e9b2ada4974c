//! Amounts of resources as Kubernetes quantities, for the numbers behind a reason.

const MEBI: i64 = 1 << 20;

/// An amount of the resource with this name: cpu in thousandths, memory-like resources in bytes, others as they are.
pub(crate) fn quantity(resource: &str, amount: i64) -> String {
    if resource == "cpu" {
        if amount % 1000 == 0 { (amount / 1000).to_string() } else { format!("{amount}m") }
    } else if in_bytes(resource) {
        bytes(amount)
    } else {
        amount.to_string()
    }
}

/// An amount to be added: bytes are rounded up to whole mebibytes, which is how people add memory.
pub(crate) fn shortage(resource: &str, amount: i64) -> String {
    if in_bytes(resource) && amount % MEBI != 0 {
        bytes((amount / MEBI).saturating_add(1).saturating_mul(MEBI))
    } else {
        quantity(resource, amount)
    }
}

fn in_bytes(resource: &str) -> bool {
    matches!(resource, "memory" | "ephemeral-storage") || resource.starts_with("hugepages-")
}

/// Exact, in the largest binary unit that divides it.
fn bytes(amount: i64) -> String {
    let units = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut value = amount;
    let mut unit = 0;
    while value != 0 && value % 1024 == 0 && unit + 1 < units.len() {
        value /= 1024;
        unit += 1;
    }
    format!("{value}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact() {
        assert_eq!(quantity("cpu", 4000), "4");
        assert_eq!(quantity("cpu", 1200), "1200m");
        assert_eq!(quantity("cpu", -500), "-500m");
        assert_eq!(quantity("memory", 2 << 30), "2Gi");
        assert_eq!(quantity("memory", 1536 << 20), "1536Mi");
        assert_eq!(quantity("memory", 1025), "1025");
        assert_eq!(quantity("hugepages-2Mi", 4 << 20), "4Mi");
        assert_eq!(quantity("example.com/gpu", 2048), "2048");
        assert_eq!(quantity("memory", 0), "0");
    }

    #[test]
    fn shortages_in_bytes_are_rounded_up() {
        assert_eq!(shortage("memory", (3 << 20) + 1), "4Mi");
        assert_eq!(shortage("memory", 1 << 30), "1Gi");
        assert_eq!(shortage("cpu", 800), "800m");
    }
}
