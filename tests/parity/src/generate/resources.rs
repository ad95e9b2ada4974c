//! What containers and pods ask for, in all the forms in which it can be written.

use serde_json::{Value, json};

use super::dice::Dice;
use super::world::{Amount, Object, World};

const MI: i64 = 1 << 20;
const GI: i64 = 1 << 30;

/// Extended resources that some nodes have.
pub(super) const EXTENDED: [&str; 3] = ["example.com/gpu", "example.com/fpga", "vendor.io/nic"];

/// CPU quantities with a trap in how they are written, and what they amount to in thousandths, rounded up.
const ODD_CPU: [(&str, i64); 10] = [
    ("1.9995", 2000),
    ("100u", 1),
    ("1500000u", 1500),
    ("250000000n", 250),
    ("5e-1", 500),
    ("2E0", 2000),
    ("0.0001", 1),
    ("0", 0),
    ("1e3", 1_000_000),
    ("0.5001", 501),
];

/// The same for memory, in bytes, rounded up.
const ODD_MEMORY: [(&str, i64); 11] = [
    ("1Ki", 1024),
    ("129M", 129_000_000),
    ("1e8", 100_000_000),
    ("123456789", 123_456_789),
    ("0", 0),
    ("1.5Gi", 3 * GI / 2),
    ("0.5Mi", MI / 2),
    ("500m", 1),
    ("1e3", 1000),
    ("1.1Gi", 1_181_116_007),
    ("128974848", 123 * MI),
];

/// Amounts near the end of 64 bits, in the quantity's own unit or in thousandths, and beyond it: sums of them wrap.
pub(super) const HUGE: [&str; 9] = [
    "9223372036854775807m",
    "9223372036854775807",
    "9223372036854775808",
    "4611686018427387904m",
    "500000000000000000",
    "10E",
    "8Ei",
    "7Ei",
    "100Ti",
];

/// Containers and what else of a pod concerns resources.
pub(super) struct PodResources {
    /// `resources` of each app container.
    pub(super) containers: Vec<Value>,
    /// `resources` of each init container, and whether it is a sidecar.
    pub(super) init: Vec<(Value, bool)>,
    /// `spec.resources`.
    pub(super) pod_level: Option<Value>,
    /// `spec.overhead`.
    pub(super) overhead: Option<Value>,
    /// What the pod asks for in all.
    pub(super) total: Amount,
}

/// A random pod's. `most` bounds a single container, so that pods of small nodes are small.
pub(super) fn pod(world: &mut World, most: Amount) -> PodResources {
    let unusual = world.knobs.resources;
    let dice = &mut world.dice;
    let app_count = dice.weighted(&[(14, 1), (4, 2), (2, 3)]);
    let mut app_sum = Amount::default();
    let mut containers = Vec::new();
    let huge = dice.chance(unusual * 0.02);
    for _ in 0..app_count {
        let (mut value, amount) = container(dice, unusual, most);
        if huge {
            make_huge(dice, &mut value);
        }
        app_sum = app_sum.plus(amount);
        containers.push(value);
    }
    let mut init = Vec::new();
    let (mut sidecars, mut peak) = (Amount::default(), Amount::default());
    if dice.chance(unusual * 0.6) {
        for _ in 0..dice.count(1, 3) {
            let (value, amount) = container(dice, unusual, most);
            let restartable = dice.chance(0.4);
            if restartable {
                sidecars = sidecars.plus(amount);
                peak = peak.most(sidecars);
            } else {
                peak = peak.most(sidecars.plus(amount));
            }
            init.push((value, restartable));
        }
    }
    let mut total = app_sum.plus(sidecars).most(peak);
    // The API server wants requests of the pod as a whole to be no less than its containers'.
    let pod_level = (!huge && dice.chance(unusual * 0.25)).then(|| pod_level(dice, &mut total, most));
    // Not beside pod-level limits alone: kube-scheduler's sum shares a fraction of a byte with the pod that it was given, and
    // adds the overhead to it each time it looks, unless the pod came through an API server.
    let alone = pod_level.as_ref().is_some_and(|level| level.get("requests").is_none());
    let overhead = (!alone && dice.chance(unusual * 0.25)).then(|| {
        total = total.plus(Amount { cpu: 50, memory: 32 * MI });
        json!({"cpu": "50m", "memory": "32Mi"})
    });
    PodResources { containers, init, pod_level, overhead, total }
}

/// Has a container ask for more than anything has. What the pod asks for in all is not kept account of then.
fn make_huge(dice: &mut Dice, container: &mut Value) {
    let mut amounts = Object::new();
    for resource in dice.some(&["cpu", "memory", "ephemeral-storage", EXTENDED[0]], 1, 2) {
        amounts.insert(resource.to_owned(), json!(*dice.pick(&HUGE)));
    }
    // Extended resources are whole numbers.
    if let Some(count) = amounts.get_mut(EXTENDED[0]) {
        *count = json!(*dice.pick(&["9223372036854775807", "4611686018427387904", "5E"]));
    }
    *container = json!({"limits": amounts, "requests": amounts});
}

/// One container that asks for exactly this.
pub(super) fn exactly(dice: &mut Dice, amount: Amount) -> PodResources {
    let requests = json!({"cpu": cpu_text(dice, amount.cpu), "memory": memory_text(dice, amount.memory)});
    PodResources {
        containers: vec![json!({"requests": requests})],
        init: Vec::new(),
        pod_level: None,
        overhead: None,
        total: amount,
    }
}

/// `spec.resources`: at least what the containers ask for, as the API server wants it.
fn pod_level(dice: &mut Dice, total: &mut Amount, most: Amount) -> Value {
    let mut requests = Object::new();
    if dice.chance(0.8) {
        total.cpu += dice.range(0, most.cpu.max(1));
        requests.insert("cpu".to_owned(), json!(cpu_text(dice, total.cpu)));
    }
    if dice.chance(0.8) || requests.is_empty() {
        total.memory += dice.range(0, most.memory.max(1));
        requests.insert("memory".to_owned(), json!(memory_text(dice, total.memory)));
    }
    // Limits without requests: the API server takes the requests from the containers' sum, else from the limits.
    match dice.weighted(&[(6, 0), (2, 1), (2, 2)]) {
        0 => json!({"requests": requests}),
        1 => json!({"limits": requests}),
        _ => json!({"requests": requests, "limits": requests}),
    }
}

/// `resources` of a container, and what it asks for.
fn container(dice: &mut Dice, unusual: f64, most: Amount) -> (Value, Amount) {
    let mut amount = Amount { cpu: cpu(dice, most.cpu), memory: memory(dice, most.memory) };
    let mut cpu = cpu_text(dice, amount.cpu);
    let mut memory = memory_text(dice, amount.memory);
    if dice.chance(unusual * 0.4) {
        let (text, value) = *dice.pick(&ODD_CPU);
        // A thousand CPUs fit nowhere: rarely is enough.
        if value < 10_000 || dice.chance(0.1) {
            (cpu, amount.cpu) = (text.to_owned(), value);
        }
    }
    if dice.chance(unusual * 0.4) {
        let (text, value) = *dice.pick(&ODD_MEMORY);
        (memory, amount.memory) = (text.to_owned(), value);
    }
    let mut requests = Object::new();
    let mut limits = Object::new();
    let usual = 1.0 - unusual;
    // An explicit zero is not the same as nothing: only what is absent gets a default for scoring.
    match dice.weighted(&[((usual * 100.0) as u32 + 5, 0), (10, 1), (8, 2), (8, 3), (8, 4), (5, 5)]) {
        0 => {
            requests.insert("cpu".to_owned(), json!(cpu));
            requests.insert("memory".to_owned(), json!(memory));
            if dice.chance(0.3) {
                limits.clone_from(&requests);
            }
        }
        1 => amount = Amount::default(),
        2 => {
            requests.insert("cpu".to_owned(), json!(cpu));
            amount.memory = 0;
        }
        3 => {
            requests.insert("memory".to_owned(), json!(memory));
            amount.cpu = 0;
        }
        4 => {
            // The API server takes the requests from the limits.
            limits.insert("cpu".to_owned(), json!(cpu));
            limits.insert("memory".to_owned(), json!(memory));
        }
        _ => {
            requests.insert("cpu".to_owned(), json!("0"));
            requests.insert("memory".to_owned(), json!("0"));
            amount = Amount::default();
        }
    }
    if dice.chance(unusual * 0.3) {
        let name = *dice.pick(&EXTENDED);
        let count = json!(dice.weighted(&[(1, "0"), (6, "1"), (3, "2"), (1, "4")]));
        limits.insert(name.to_owned(), count.clone());
        if dice.chance(0.5) {
            requests.insert(name.to_owned(), count);
        }
    }
    if dice.chance(unusual * 0.15) && (requests.contains_key("cpu") || limits.contains_key("cpu")) {
        let size = json!(*dice.pick(&["2Mi", "64Mi", "512Mi"]));
        limits.insert("hugepages-2Mi".to_owned(), size.clone());
        requests.insert("hugepages-2Mi".to_owned(), size);
    }
    if dice.chance(unusual * 0.2) {
        requests.insert("ephemeral-storage".to_owned(), json!(*dice.pick(&["1Gi", "5G", "500Mi", "20Gi", "0"])));
    }
    let mut value = Object::new();
    for (field, quantities) in [("requests", requests), ("limits", limits)] {
        if !quantities.is_empty() {
            value.insert(field.to_owned(), Value::Object(quantities));
        }
    }
    (Value::Object(value), amount)
}

/// A round number of thousandths up to a bound.
fn cpu(dice: &mut Dice, most: i64) -> i64 {
    let steps = [10, 50, 100, 125, 200, 250, 300, 500, 750, 1000, 1500, 2000, 3000];
    let fitting = steps.iter().filter(|step| **step <= most.max(10)).count();
    *dice.pick(&steps[..fitting])
}

/// A round number of bytes up to a bound.
fn memory(dice: &mut Dice, most: i64) -> i64 {
    let steps = [16, 64, 100, 128, 200, 256, 500, 512, 1024, 1536, 2048, 4096].map(|mebi| mebi * MI);
    let fitting = steps.iter().filter(|step| **step <= most.max(16 * MI)).count();
    *dice.pick(&steps[..fitting])
}

/// One of the ways to write an amount of CPU.
pub(super) fn cpu_text(dice: &mut Dice, milli: i64) -> String {
    match dice.count(0, 3) {
        0 if milli % 1000 == 0 => format!("{}", milli / 1000),
        1 if milli % 100 == 0 => format!("{}.{}", milli / 1000, milli % 1000 / 100),
        2 => format!("{}.{:03}", milli / 1000, milli % 1000),
        _ => format!("{milli}m"),
    }
}

/// One of the ways to write a number of bytes.
pub(super) fn memory_text(dice: &mut Dice, bytes: i64) -> String {
    let units = [(GI, "Gi"), (MI, "Mi"), (1024, "Ki"), (1_000_000, "M"), (1000, "k")];
    let fitting: Vec<_> = units.iter().filter(|(size, _)| bytes > 0 && bytes % size == 0).collect();
    if fitting.is_empty() || dice.chance(0.2) {
        return bytes.to_string();
    }
    let (size, unit) = **dice.pick(&fitting);
    format!("{}{unit}", bytes / size)
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::{Amount, MI, cpu_text, exactly, memory_text};

    #[test]
    fn texts_stand_for_the_number() {
        let mut dice = Dice::new("texts", 1);
        for _ in 0..100 {
            assert!(["1500m", "1.5", "1.500"].contains(&cpu_text(&mut dice, 1500).as_str()));
            assert!(["2", "2.0", "2.000", "2000m"].contains(&cpu_text(&mut dice, 2000).as_str()));
            assert!(["2097152", "2Mi", "2048Ki"].contains(&memory_text(&mut dice, 2 * MI).as_str()));
            assert_eq!(memory_text(&mut dice, 7), "7");
        }
    }

    #[test]
    fn an_exact_pod_has_the_total_that_was_asked_for() {
        let amount = Amount { cpu: 123, memory: 457 };
        assert_eq!(exactly(&mut Dice::new("exactly", 1), amount).total, amount);
    }
}
