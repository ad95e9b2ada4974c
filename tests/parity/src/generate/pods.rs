//! Pods: those in place, those that wait with a nomination, and those to be judged.

use serde_json::{Value, json};

use super::dice::Dice;
use super::resources::{self, PodResources};
use super::world::{APPS, Amount, GONE_NODE, Object, PRIORITIES, SECOND_PROFILE, TIERS, VERSIONS, World, time};
use super::{images, node_affinity, pod_affinity, ports, spread, taints};

/// What a pod is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// In place, on the machine with this index.
    Placed(usize),
    /// Pending with a nomination, but not judged.
    Nominated,
    /// Pending, and judged.
    Judged,
}

/// A pod. Placed ones are added to what their machine carries.
pub(super) fn pod(world: &mut World, name: &str, role: Role) -> Value {
    let judged = role == Role::Judged;
    let namespace = world.namespace();
    let labels = labels(world);
    let wants = wants(world, role);
    let mut spec = Object::new();
    let mut affinity = Object::new();
    if let Some(nodes) = node_affinity::of_pod(world, &mut spec) {
        affinity.insert("nodeAffinity".to_owned(), nodes);
    }
    pod_affinity::of_pod(world, &mut affinity, judged);
    if !affinity.is_empty() {
        spec.insert("affinity".to_owned(), Value::Object(affinity));
    }
    spread::of_pod(world, &mut spec, &labels);
    spec.insert("tolerations".to_owned(), json!(taints::of_pod(world)));
    set_priority(world, &mut spec, judged);
    let second = world.second_profile && world.dice.chance(0.4);
    let scheduler = if second { SECOND_PROFILE } else { "default-scheduler" };
    spec.insert("schedulerName".to_owned(), json!(scheduler));
    set_containers(world, &mut spec, &wants);
    if judged && world.dice.chance(world.knobs.gates) {
        let gates = world.dice.some(&["example.com/quota", "example.com/approval"], 1, 2);
        let gates: Vec<_> = gates.iter().map(|name| json!({"name": name})).collect();
        spec.insert("schedulingGates".to_owned(), json!(gates));
    }
    let minute = world.dice.range(5, 60);
    let mut metadata = json!({
        "namespace": namespace, "name": name, "uid": world.dice.uid(), "creationTimestamp": time(minute, 0),
        "labels": labels,
    });
    if let Some(owner) = owner(world, &labels) {
        metadata["ownerReferences"] = json!([owner]);
    }
    let mut pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}});
    match role {
        Role::Placed(at) => place(world, &mut pod, at, wants.total),
        Role::Nominated => {
            pod["status"]["nominatedNodeName"] = json!(world.node_name());
            // Not all of them hold their place.
            match world.dice.count(0, 19) {
                0 => pod["spec"]["schedulingGates"] = json!([{"name": "example.com/quota"}]),
                1 => pod["spec"]["schedulerName"] = json!("elsewhere"),
                2 => terminate(&mut pod),
                _ => {}
            }
        }
        Role::Judged => {
            // A nominated node that PreFilter left out is looked at all the same.
            let pinned = pod["spec"]["affinity"]["nodeAffinity"].to_string().contains("metadata.name");
            let nominated = if pinned { 0.3 } else { world.knobs.preemption * 0.25 };
            if pod["spec"].get("schedulingGates").is_none() && world.dice.chance(nominated) {
                pod["status"]["nominatedNodeName"] = json!(world.node_name());
            }
        }
    }
    pod
}

/// Makes a pod one that was preempted and is on its way out.
pub(super) fn preempt(pod: &mut Value) {
    terminate(pod);
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
        "message": "default-scheduler: preempting to accommodate a higher priority pod",
        "lastTransitionTime": time(120, 0),
    });
    pod["status"]["conditions"] = json!([condition]);
}

fn terminate(pod: &mut Value) {
    pod["metadata"]["deletionTimestamp"] = json!(time(121, 0));
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
}

fn labels(world: &mut World) -> Object {
    let dice = &mut world.dice;
    let mut labels = Object::new();
    for (key, values, share) in [
        ("app", APPS.as_slice(), 0.92),
        ("tier", &TIERS, 0.6),
        ("version", &VERSIONS, 0.7),
        ("pod-template-hash", &["6d4cf56db6", "7f9c6b8d5"], 0.4),
    ] {
        if dice.chance(share) {
            labels.insert(key.to_owned(), json!(dice.pick(values)));
        }
    }
    labels
}

/// What the pod asks for: for some, exactly what is free on a node, or one more, or one less.
fn wants(world: &mut World, role: Role) -> PodResources {
    let machine = match role {
        Role::Placed(at) => world.machines[at].clone(),
        _ => world.dice.pick(&world.machines).clone(),
    };
    if world.knobs.alike && matches!(role, Role::Placed(_)) {
        let each = Amount { cpu: 500, memory: 256 << 20 };
        return resources::exactly(&mut world.dice, each);
    }
    let free = machine.free();
    let aims = match role {
        Role::Placed(_) => 0.03,
        Role::Nominated => 0.0,
        Role::Judged => 0.08 + world.knobs.resources * 0.3,
    };
    if free.cpu > 1 && free.memory > 1 && world.dice.chance(aims) {
        let by = world.dice.range(-1, 1);
        let part = Amount { cpu: world.dice.range(1, free.cpu), memory: world.dice.range(1, free.memory) };
        let exact = match world.dice.count(0, 2) {
            0 => Amount { cpu: free.cpu + by, ..part },
            1 => Amount { memory: free.memory + by, ..part },
            _ => Amount { cpu: free.cpu, memory: free.memory + by },
        };
        return resources::exactly(&mut world.dice, exact);
    }
    // Judged pods of the preemption profile are larger than what they push away.
    let share = if role == Role::Judged { 2 } else { 4 };
    let most = Amount { cpu: machine.allocatable.cpu / share, memory: machine.allocatable.memory / share };
    resources::pod(world, most)
}

fn set_priority(world: &mut World, spec: &mut Object, judged: bool) {
    let spread = if world.knobs.alike && !judged { 0.0 } else { world.knobs.preemption };
    let dice = &mut world.dice;
    let at = match (dice.chance(spread), judged) {
        (false, _) => None,
        (true, true) => Some(dice.weighted(&[(1, 0), (2, 1), (4, 2), (6, 3), (1, 4)])),
        (true, false) => Some(dice.weighted(&[(4, 0), (6, 1), (4, 2), (1, 3), (1, 4)])),
    };
    if let Some((name, value, never)) = at.map(|at| PRIORITIES[at]) {
        let policy = if never { "Never" } else { "PreemptLowerPriority" };
        spec.insert("priorityClassName".to_owned(), json!(name));
        spec.insert("priority".to_owned(), json!(value));
        spec.insert("preemptionPolicy".to_owned(), json!(policy));
    } else if dice.chance(0.9) {
        spec.insert("priority".to_owned(), json!(0));
        spec.insert("preemptionPolicy".to_owned(), json!("PreemptLowerPriority"));
    }
}

fn set_containers(world: &mut World, spec: &mut Object, wants: &PodResources) {
    let host_network = world.dice.chance(world.knobs.ports * 0.1 + world.knobs.gates * 0.3);
    if host_network {
        spec.insert("hostNetwork".to_owned(), json!(true));
        // A feature that a node must declare.
        if world.dice.chance(world.knobs.gates) {
            spec.insert("hostUsers".to_owned(), json!(false));
        }
    }
    let mut taken = Vec::new();
    let mut container = |world: &mut World, name: String, resources: &Value| {
        let mut container = json!({"name": name, "image": images::of_container(world)});
        if resources.as_object().is_some_and(|fields| !fields.is_empty()) {
            container["resources"] = resources.clone();
        }
        let ports = ports::of_container(world, host_network, &mut taken);
        if !ports.is_empty() {
            container["ports"] = json!(ports);
        }
        container
    };
    let mut containers = Vec::new();
    for (number, resources) in wants.containers.iter().enumerate() {
        containers.push(container(world, format!("main-{number}"), resources));
    }
    let mut init = Vec::new();
    for (number, (resources, sidecar)) in wants.init.iter().enumerate() {
        let mut container = container(world, format!("init-{number}"), resources);
        if *sidecar {
            container["restartPolicy"] = json!("Always");
        }
        init.push(container);
    }
    if world.dice.chance(world.knobs.gates * 0.5) {
        containers[0]["restartPolicy"] = json!("Never");
        containers[0]["restartPolicyRules"] =
            json!([{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]);
    }
    spec.insert("containers".to_owned(), json!(containers));
    if !init.is_empty() {
        spec.insert("initContainers".to_owned(), json!(init));
    }
    for (field, value) in [("resources", &wants.pod_level), ("overhead", &wants.overhead)] {
        if let Some(value) = value {
            spec.insert(field.to_owned(), value.clone());
        }
    }
    let volumes = images::volumes(world);
    if !volumes.is_empty() {
        spec.insert("volumes".to_owned(), json!(volumes));
    }
}

/// The controller that owns a pod with these labels, for some.
fn owner(world: &mut World, labels: &Object) -> Option<Value> {
    let app = labels.get("app")?.as_str()?;
    if !world.dice.chance(0.2 + world.knobs.spread * 0.5) {
        return None;
    }
    let (kind, version) = spread::owner_kind(app);
    Some(json!({
        "apiVersion": version, "kind": kind, "name": format!("{app}-owner"), "uid": format!("owner-{app}"),
        "controller": true, "blockOwnerDeletion": true,
    }))
}

fn place(world: &mut World, pod: &mut Value, at: usize, total: Amount) {
    let machine = &mut world.machines[at];
    // A node may be deleted before its pods are.
    let gone = world.dice.chance(0.004);
    pod["spec"]["nodeName"] = json!(if gone { GONE_NODE } else { &machine.name });
    // Few different times over all nodes, so that candidates tie on them, but none twice on one node: among victims that
    // started at the same time kube-scheduler's order follows from its sort.
    let start = time(60 + world.dice.range(0, 8), machine.pods.clamp(0, 59));
    pod["status"] = json!({"phase": "Running", "startTime": start});
    // kube-scheduler never hears of pods that have ended: they take nothing.
    if world.dice.chance(0.015) {
        pod["status"]["phase"] = json!(*world.dice.pick(&["Succeeded", "Failed"]));
    } else {
        machine.used = machine.used.plus(total);
        machine.pods += 1;
    }
    if world.dice.chance(0.04 + world.knobs.preemption * 0.04) {
        if world.dice.chance(0.5) {
            terminate(pod);
        } else {
            preempt(pod);
        }
    }
    if world.dice.chance(world.knobs.resources * 0.12) {
        resize(world, pod);
    }
}

/// A resize under way: what the kubelet says may differ from what the spec says.
fn resize(world: &mut World, pod: &mut Value) {
    let dice = &mut world.dice;
    let amounts = |dice: &mut Dice| (*dice.pick(&["50m", "700m", "2"]), *dice.pick(&["100m", "900m"]));
    for (of, field) in [("containers", "containerStatuses"), ("initContainers", "initContainerStatuses")] {
        let Some(container) = pod["spec"][of].get(0).cloned() else { continue };
        if container["resources"]["requests"].get("cpu").is_none() {
            continue;
        }
        let (running, allocated) = amounts(dice);
        pod["status"][field] = json!([{
            "name": container["name"], "image": container["image"], "imageID": "", "ready": true, "restartCount": 0,
            "resources": {"requests": {"cpu": running}}, "allocatedResources": {"cpu": allocated},
        }]);
    }
    if pod["spec"].get("resources").is_some() {
        let (running, allocated) = amounts(dice);
        pod["status"]["resources"] = json!({"requests": {"cpu": running}});
        if dice.chance(0.7) {
            pod["status"]["allocatedResources"] = json!({"cpu": allocated, "memory": "64Mi"});
        }
    }
    if dice.chance(0.4) {
        pod["status"]["conditions"] = json!([{
            "type": "PodResizePending", "status": "True", "reason": *dice.pick(&["Infeasible", "Deferred"]),
            "lastTransitionTime": time(90, 0),
        }]);
    }
}
