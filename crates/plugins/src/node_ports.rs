//! NodePorts: the host ports that a pod asks for must be free. Mirrors kube-scheduler's `nodeports`.

use loadline_framework::record::{Detail, Remedy};
use loadline_framework::{
    Action, ClusterEvent, DefaultProfile, Descriptor, EventObject, ExtensionPoint, Hint, NodePlugin, NodeView, Plugin,
    Prepare, Prepared, QueueingHints, Reads, Reason, Resource, Status, Verdict, no_further_checks,
};
use loadline_model::{HostPort, PodInfo, Protocol};
use serde_json::json;

use crate::hint::{is_placed, queue_if};

/// NodePorts.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "NodePorts",
    help: "Turns down nodes where a host port that the pod asks for is in use.",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter],
    default_profile: DefaultProfile::Enabled { weight: 0 },
    args: &[],
    validate: no_further_checks,
    events: &[ClusterEvent::new(Resource::Pod, Action::DELETE), ClusterEvent::new(Resource::Node, Action::ADD)],
    build: |_| Ok(Plugin::new("NodePorts").with_node(NodePorts).with_hints(NodePorts)),
};

/// The address that stands for all: only this spelling does (`::` does not).
const ANY: &str = "0.0.0.0";

struct NodePorts;

fn conflict(wanted: &HostPort, used: &HostPort) -> bool {
    wanted.port == used.port
        && wanted.protocol == used.protocol
        && (wanted.ip == used.ip || wanted.ip == *ANY || used.ip == *ANY)
}

fn any_conflict(wanted: &[HostPort], used: &[HostPort]) -> bool {
    used.iter().any(|used| wanted.iter().any(|wanted| conflict(wanted, used)))
}

impl NodePlugin for NodePorts {
    type Key = Box<[HostPort]>;
    type State = Box<[HostPort]>;

    fn reads(&self) -> Reads {
        Reads::LOAD
    }

    fn key(&self, pod: &PodInfo, _cx: &mut dyn Prepare) -> Result<Option<Self::Key>, Status> {
        Ok((!pod.host_ports.is_empty()).then(|| pod.host_ports.as_slice().into()))
    }

    fn prepare(&self, ports: &Self::Key, _pod: &PodInfo, _cx: &mut dyn Prepare) -> Prepared<Self::State> {
        Prepared { state: ports.clone(), filters: true, scores: false }
    }

    fn filter(&self, wanted: &Self::State, node: &NodeView<'_>) -> Verdict {
        if any_conflict(wanted, node.ports()) { Verdict::unschedulable(0) } else { Verdict::PASS }
    }

    fn reasons(&self, _wanted: &Self::State, _verdict: Verdict, _node: &NodeView<'_>) -> Vec<Reason> {
        vec!["node(s) didn't have free ports for the requested pod ports".into()]
    }

    fn detail(&self, wanted: &Self::State, _verdict: Verdict, node: &NodeView<'_>) -> (Vec<Detail>, Vec<Remedy>) {
        let of = |port: &HostPort| {
            let used = node.ports().iter().find(|used| conflict(port, used))?;
            let (protocol, number, name) = (protocol_name(port.protocol), port.port, node.name());
            let detail = Detail {
                what: format!("host port {number}/{protocol}"),
                wanted: format!("free on {}", port.ip),
                found: format!("in use on {}", used.ip),
            };
            let remedy = Remedy {
                text: format!("needs host port {number}/{protocol} to be free on {name}"),
                change: json!({
                    "kind": "hostPort",
                    "node": name,
                    "hostPort": number,
                    "protocol": protocol,
                    "hostIP": port.ip,
                }),
                ..Remedy::default()
            };
            Some((detail, remedy))
        };
        wanted.iter().filter_map(of).unzip()
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

impl QueueingHints for NodePorts {
    fn hint(&self, pod: &PodInfo, _event: &ClusterEvent, object: &EventObject<'_>) -> Hint {
        queue_if(match object {
            EventObject::Pod { old: Some(gone), new: None } => {
                is_placed(gone) && any_conflict(&pod.host_ports, &gone.host_ports)
            }
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCluster, node, pod};
    use loadline_framework::{Code, NodeDelta, Slot};

    fn port(ip: &str, protocol: Protocol, port: i32) -> HostPort {
        HostPort { protocol, ip: ip.into(), port }
    }

    fn with_ports(name: &str, ports: &[HostPort]) -> PodInfo {
        PodInfo { host_ports: ports.iter().cloned().collect(), ..pod(name) }
    }

    #[test]
    fn conflicts() {
        use Protocol::{Tcp, Udp};
        let web = port(ANY, Tcp, 80);
        let cases = [
            (port(ANY, Tcp, 80), true),
            (port("10.0.0.1", Tcp, 80), true),
            (port("::", Tcp, 80), true),
            (port(ANY, Udp, 80), false),
            (port(ANY, Tcp, 81), false),
        ];
        for (other, expected) in cases {
            assert_eq!(conflict(&web, &other), expected, "{other:?}");
            assert_eq!(conflict(&other, &web), expected, "{other:?}");
        }
        assert!(!conflict(&port("10.0.0.1", Tcp, 80), &port("10.0.0.2", Tcp, 80)));
        assert!(!conflict(&port("::", Tcp, 80), &port("10.0.0.1", Tcp, 80)));
    }

    #[test]
    fn a_node_with_the_port_in_use_is_turned_down_until_it_is_free() {
        let web = port(ANY, Protocol::Tcp, 80);
        let mut cluster = FakeCluster::new([node("a", &[]), node("b", &[])]);
        let running = cluster.add_pod("a", with_ports("running", std::slice::from_ref(&web)));
        let incoming = with_ports("p", &[port("10.0.0.1", Protocol::Tcp, 80)]);
        let answers = cluster.filter(&NodePorts, &incoming).unwrap();
        assert_eq!(answers[0].code, Code::Unschedulable);
        assert_eq!(answers[0].reasons, ["node(s) didn't have free ports for the requested pod ports"]);
        assert_eq!(cluster.passing(&NodePorts, &incoming), ["b"]);
        assert_eq!(cluster.passing(&NodePorts, &pod("p")), ["a", "b"]);

        let state = cluster.state(&NodePorts, &incoming).unwrap();
        let delta = NodeDelta { added: Vec::new(), removed: vec![running] };
        let answer = cluster.answer(&NodePorts, &state, Slot(0), Some(&delta));
        assert_eq!(answer.code, Code::Success);
    }

    #[test]
    fn a_deleted_pod_helps_when_it_held_the_port() {
        let web = [port(ANY, Protocol::Tcp, 80)];
        let waiting = with_ports("p", &web);
        let hint = |gone: &PodInfo| {
            let object = EventObject::Pod { old: Some(gone), new: None };
            NodePorts.hint(&waiting, &DESCRIPTOR.events[0], &object)
        };
        let placed = PodInfo { node_name: Some("a".into()), ..with_ports("q", &web) };
        assert_eq!(hint(&placed), Hint::Queue);
        let nominated = PodInfo { nominated_node_name: Some("a".into()), ..with_ports("q", &web) };
        assert_eq!(hint(&nominated), Hint::Queue);
        assert_eq!(hint(&with_ports("q", &web)), Hint::Skip);
        let other = PodInfo { node_name: Some("a".into()), ..with_ports("q", &[port(ANY, Protocol::Udp, 80)]) };
        assert_eq!(hint(&other), Hint::Skip);
    }
}
