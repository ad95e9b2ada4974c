//! What a pod asks for, added up in the ways in which kube-scheduler adds it up.
//!
//! Sums are of exact quantities and are rounded once, at the end: two containers of 100.5m of cpu are 201m.

use loadline_model::name::is_extended_resource;
use loadline_model::quantity::Quantity;
use loadline_model::{PodRequests, Resources, StrPool};
use smallvec::SmallVec;

use crate::wire::{Container, ContainerStatus, Pod, ResourceList};

/// What a container that names no cpu is taken to use, thousandths of a core.
const DEFAULT_MILLI_CPU: i64 = 100;
/// What a container that names no memory is taken to use, bytes.
const DEFAULT_MEMORY: i64 = 200 * 1024 * 1024;

/// Adds up a pod's requests. `names` shares the names of resources.
pub fn pod_requests(pod: &Pod, names: &mut StrPool) -> PodRequests {
    let both = |cpu: bool, memory: bool| Missing {
        cpu: cpu.then(|| Quantity::from_milli(DEFAULT_MILLI_CPU)),
        memory: memory.then(|| Quantity::from_value(DEFAULT_MEMORY)),
    };
    let spec = sum(pod, Rules { status: false, pod_level: true, missing: Missing::default() });
    let usage = sum(pod, Rules { status: true, pod_level: true, missing: Missing::default() });
    // A pod that says as a whole what it needs gets defaults only for what is named nowhere.
    let missing = if has_pod_level_requests(pod) {
        both(usage.get("cpu").is_none(), usage.get("memory").is_none())
    } else {
        both(true, true)
    };
    let non_zero = sum(pod, Rules { status: true, pod_level: true, missing });
    let score = sum(pod, Rules { status: false, pod_level: false, missing: both(true, true) });
    PodRequests {
        non_zero_milli_cpu: non_zero.get("cpu").map_or(0, |cpu| cpu.milli_value()),
        non_zero_memory: non_zero.get("memory").map_or(0, |memory| memory.value()),
        spec: to_resources(spec.entries(), names),
        usage: to_resources(usage.entries(), names),
        score: to_resources(score.entries(), names),
    }
}

/// Amounts in the units that the model counts in; resources that a scheduler does not count are left out.
pub(super) fn to_resources<'n>(amounts: impl Iterator<Item = (&'n str, Quantity)>, names: &mut StrPool) -> Resources {
    let mut resources = Resources::default();
    for (name, amount) in amounts {
        match name {
            "cpu" => resources.milli_cpu = amount.milli_value(),
            "memory" => resources.memory = amount.value(),
            "ephemeral-storage" => resources.ephemeral_storage = amount.value(),
            "pods" => {}
            name if is_scalar(name) => resources.set_scalar(names.intern(name), amount.value()),
            _ => {}
        }
    }
    resources
}

/// Whether a resource other than cpu, memory and ephemeral storage is counted: hugepages, attachable volumes, anything of
/// `kubernetes.io/`, and extended resources.
fn is_scalar(name: &str) -> bool {
    name.starts_with("hugepages-")
        || name.starts_with("attachable-volumes-")
        || name.contains("kubernetes.io/")
        || is_extended_resource(name)
}

/// Resources that may be asked for of a pod as a whole.
pub(crate) fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

fn has_pod_level_requests(pod: &Pod) -> bool {
    pod.spec.resources.as_ref().is_some_and(|resources| resources.requests.keys().any(|name| is_pod_level(name)))
}

/// Defaults for containers that do not name a resource.
#[derive(Clone, Copy, Default)]
struct Missing {
    cpu: Option<Quantity>,
    memory: Option<Quantity>,
}

/// Which way of adding up.
#[derive(Clone, Copy)]
struct Rules {
    /// What the kubelet has allocated and applied counts, not only what is asked for (in-place resize).
    status: bool,
    /// Requests of the pod as a whole take the place of the sum over containers.
    pod_level: bool,
    missing: Missing,
}

/// The containers' sum of requests or limits, as `of` names them: what the API server fills in for the pod as a whole.
pub(crate) fn container_sum<'p>(
    pod: &'p Pod,
    of: impl Fn(&'p Container) -> &'p ResourceList,
) -> Vec<(&'p str, Quantity)> {
    aggregate(pod, |container, _| Amounts::of(of(container))).entries().collect()
}

/// Containers run together; init containers run before them one after the other, each beside the sidecars that were started before it.
fn aggregate<'p>(pod: &'p Pod, of: impl Fn(&'p Container, &'p [ContainerStatus]) -> Amounts<'p>) -> Amounts<'p> {
    let mut total = Amounts::default();
    for container in &pod.spec.containers {
        total.add(&of(container, &pod.status.container_statuses));
    }
    let mut sidecars = Amounts::default();
    let mut init = Amounts::default();
    for container in &pod.spec.init_containers {
        if container.is_restartable() {
            let own = of(container, &pod.status.init_container_statuses);
            total.add(&own);
            sidecars.add(&own);
            init.raise(&sidecars);
        } else {
            // Its status does not count: it is gone when a resize can happen.
            let mut beside = of(container, &[]);
            beside.add(&sidecars);
            init.raise(&beside);
        }
    }
    total.raise(&init);
    total
}

fn sum(pod: &Pod, rules: Rules) -> Amounts<'_> {
    let mut total = aggregate(pod, |container, statuses| container_requests(pod, container, statuses, rules));
    if rules.pod_level
        && let Some(resources) = pod.spec.resources.as_ref().filter(|_| has_pod_level_requests(pod))
    {
        let effective =
            pod.status.resources.as_ref().filter(|_| rules.status).map(|actuated| {
                effective(pod, &resources.requests, &actuated.requests, &pod.status.allocated_resources)
            });
        for (name, amount) in resources.requests.iter().filter(|(name, _)| is_pod_level(name)) {
            let amount = match &effective {
                Some(effective) => effective.get(name).unwrap_or_default(),
                None => *amount,
            };
            total.set(name, amount);
        }
    }
    total.add(&Amounts::of(&pod.spec.overhead));
    total
}

fn container_requests<'p>(
    pod: &'p Pod,
    container: &'p Container,
    statuses: &'p [ContainerStatus],
    rules: Rules,
) -> Amounts<'p> {
    let requests = &container.resources.requests;
    // The last of several statuses with one name counts.
    let status = statuses.iter().rev().filter(|_| rules.status).find(|status| status.name == container.name);
    let mut amounts = match status.and_then(|status| status.resources.as_ref().map(|actuated| (status, actuated))) {
        Some((status, actuated)) => effective(pod, requests, &actuated.requests, &status.allocated_resources),
        None => Amounts::of(requests),
    };
    for (name, default) in [("cpu", rules.missing.cpu), ("memory", rules.missing.memory)] {
        if let Some(default) = default.filter(|_| amounts.get(name).is_none()) {
            amounts.set(name, default);
        }
    }
    amounts
}

/// What counts while a resize is under way: the largest of what is asked for, applied and allocated; what is asked for does not
/// count once the kubelet has said that it can never be.
fn effective<'p>(
    pod: &Pod,
    asked: &'p ResourceList,
    actuated: &'p ResourceList,
    allocated: &'p ResourceList,
) -> Amounts<'p> {
    let pending = pod.status.conditions.iter().find(|condition| condition.kind == "PodResizePending");
    let infeasible = pending.is_some_and(|condition| condition.reason == "Infeasible");
    let mut amounts = if infeasible { Amounts::default() } else { Amounts::of(asked) };
    amounts.raise(&Amounts::of(actuated));
    amounts.raise(&Amounts::of(allocated));
    amounts
}

/// Exact amounts by resource name: a handful, in no order.
#[derive(Clone, Default)]
struct Amounts<'p>(SmallVec<[(&'p str, Quantity); 4]>);

impl<'p> Amounts<'p> {
    fn of(list: &'p ResourceList) -> Self {
        Self(list.iter().map(|(name, amount)| (&**name, *amount)).collect())
    }

    fn entries(&self) -> impl Iterator<Item = (&'p str, Quantity)> {
        self.0.iter().copied()
    }

    fn get(&self, name: &str) -> Option<Quantity> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, amount)| *amount)
    }

    fn set(&mut self, name: &'p str, amount: Quantity) {
        self.update(name, amount, |_| amount);
    }

    fn add(&mut self, other: &Self) {
        for (name, amount) in other.entries() {
            self.update(name, amount, |own| own.add(&amount));
        }
    }

    fn raise(&mut self, other: &Self) {
        for (name, amount) in other.entries() {
            self.update(name, amount, |own| own.raised_to(amount));
        }
    }

    /// Changes the amount of a resource, or puts it in.
    fn update(&mut self, name: &'p str, absent: Quantity, change: impl FnOnce(Quantity) -> Quantity) {
        match self.0.iter_mut().find(|(own, _)| *own == name) {
            Some((_, amount)) => *amount = change(*amount),
            None => self.0.push((name, absent)),
        }
    }
}
