//! Nodes.

use serde_json::{Value, json};

use super::dice::Dice;
use super::node_affinity::DISKS;
use super::resources::{EXTENDED, HUGE, cpu_text, memory_text};
use super::world::{Amount, HOSTNAME, Machine, Object, World, ZONE, time};
use super::{images, taints};

/// Features that the kubelet of some nodes declares.
pub(super) const FEATURES: [&str; 2] = ["RestartAllContainersOnContainerExits", "UserNamespacesHostNetworkSupport"];

/// How a cluster's nodes are laid out.
struct Layout {
    zones: usize,
    racks: usize,
    /// Share of nodes that lack a label.
    missing: f64,
    /// All nodes alike, as in most real clusters: then scores tie.
    alike: Option<(i64, i64)>,
}

/// Adds `count` nodes to the world; gives their objects.
pub(super) fn nodes(world: &mut World, count: usize) -> Vec<Value> {
    let layout = Layout {
        zones: world.dice.weighted(&[(1, 1), (2, 2), (4, 3), (1, 5)]),
        racks: world.dice.count(2, 8),
        missing: *world.dice.pick(&[0.0, 0.05, 0.2]),
        alike: (world.knobs.alike || world.dice.chance(0.4)).then(|| size(&mut world.dice)),
    };
    (0..count).map(|number| node(world, number, &layout)).collect()
}

fn size(dice: &mut Dice) -> (i64, i64) {
    let gibi = 1 << 30;
    dice.weighted(&[
        (2, (1000, 2 * gibi)),
        (3, (2000, 4 * gibi)),
        (4, (4000, 8 * gibi)),
        (2, (3920, 7_800_000_000)),
        (2, (8000, 32 * gibi)),
    ])
}

fn node(world: &mut World, number: usize, layout: &Layout) -> Value {
    let name = format!("node-{number:03}");
    let labels = labels(&mut world.dice, &name, layout);
    let dice = &mut world.dice;
    let (cpu, memory) = layout.alike.unwrap_or_else(|| size(dice));
    let allowed_pods = dice.weighted(&[(20, 110), (3, 30), (2, 6), (1, 3)]);
    let mut machine = Machine {
        name: name.clone(),
        allocatable: Amount { cpu, memory },
        allowed_pods,
        used: Amount::default(),
        pods: 0,
    };
    let mut allocatable = json!({
        "cpu": cpu_text(dice, cpu), "memory": memory_text(dice, memory), "pods": allowed_pods.to_string(),
    });
    if dice.chance(0.8) {
        allocatable["ephemeral-storage"] = json!(*dice.pick(&["100Gi", "20G", "107374182400"]));
    }
    for resource in EXTENDED {
        if dice.chance(world.knobs.resources * 0.6) {
            allocatable[resource] = json!(*dice.pick(&["0", "1", "2", "8"]));
        }
    }
    if dice.chance(world.knobs.resources * 0.5) {
        allocatable["hugepages-2Mi"] = json!(*dice.pick(&["0", "64Mi", "1Gi"]));
    }
    let mut capacity = allocatable.clone();
    capacity["cpu"] = json!(format!("{}m", cpu + 80));
    // Nodes that have just registered, or are broken.
    if dice.chance(0.02) {
        machine.allowed_pods = 0;
        match dice.count(0, 4) {
            0 => allocatable["pods"] = json!("0"),
            1 => {
                if let Some(fields) = allocatable.as_object_mut() {
                    fields.remove("pods");
                }
            }
            2 => {
                machine.allocatable = Amount::default();
                allocatable = json!({"cpu": "0", "memory": "0", "pods": "0"});
            }
            // Nothing at all; or what there is, all of which may be used.
            by => {
                machine.allocatable = Amount::default();
                allocatable = Value::Null;
                if by == 3 {
                    capacity = Value::Null;
                }
            }
        }
    } else if dice.chance(world.knobs.resources * 0.03) {
        allocatable[*dice.pick(&["cpu", "memory", "ephemeral-storage"])] = json!(*dice.pick(&HUGE));
        capacity.clone_from(&allocatable);
    }
    let mut spec = Object::new();
    let (taints, unschedulable) = taints::of_node(world);
    if !taints.is_empty() {
        spec.insert("taints".to_owned(), json!(taints));
    }
    if unschedulable {
        spec.insert("unschedulable".to_owned(), json!(true));
    }
    let mut status = json!({
        "allocatable": allocatable, "capacity": capacity,
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready",
                        "lastHeartbeatTime": time(0, 0), "lastTransitionTime": time(0, 0)}],
    });
    let images = images::of_node(world);
    if !images.is_empty() {
        status["images"] = json!(images);
    }
    if world.dice.chance(world.knobs.gates.max(0.02) * 4.0) {
        let mut features = world.dice.some(&FEATURES, 1, 2);
        features.sort_unstable();
        status["declaredFeatures"] = json!(features);
    }
    world.machines.push(machine);
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": world.dice.uid(), "creationTimestamp": time(0, 0), "labels": labels},
        "spec": spec,
        "status": status,
    })
}

fn labels(dice: &mut Dice, name: &str, layout: &Layout) -> Object {
    let mut labels = Object::new();
    let mut set = |key: &str, value: String| {
        labels.insert(key.to_owned(), json!(value));
    };
    if !dice.chance(layout.missing * 0.5) {
        // A few nodes share a host name: a topology value is what the label says, not the node.
        let host = if dice.chance(0.02) { "shared-host" } else { name };
        set(HOSTNAME, host.to_owned());
    }
    if !dice.chance(layout.missing) {
        set(ZONE, format!("zone-{}", dice.count(0, layout.zones - 1)));
    }
    if !dice.chance(0.1) {
        set("topology.kubernetes.io/region", "region-0".to_owned());
    }
    if !dice.chance(0.1 + layout.missing) {
        // A label without a value is a topology domain too.
        let rack = if dice.chance(0.04) { String::new() } else { format!("rack-{}", dice.count(0, layout.racks - 1)) };
        set("rack", rack);
    }
    if dice.chance(0.8) {
        set("disk", (*dice.pick(&DISKS)).to_owned());
    }
    if dice.chance(0.8) {
        let generation = dice.range(1, 9);
        set("generation", if dice.chance(0.1) { "new".to_owned() } else { generation.to_string() });
    }
    set("arch", if dice.chance(0.8) { "amd64" } else { "arm64" }.to_owned());
    labels
}
