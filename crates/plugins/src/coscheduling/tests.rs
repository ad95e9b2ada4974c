use serde_json::json;

use super::*;
use crate::args::defaults;
use crate::testing::{build, pod};

fn settings(change: &Value) -> GangSettings {
    let mut args = defaults(DESCRIPTOR.args);
    for (name, value) in change.as_object().into_iter().flatten() {
        args[name] = value.clone();
    }
    assert_eq!((DESCRIPTOR.validate)(&args), []);
    let plugin = build(&DESCRIPTOR, &args);
    GangSettings::clone(&plugin.gangs.expect("it places gangs"))
}

#[test]
fn arguments_have_the_defaults_of_scheduler_plugins() {
    let found = settings(&json!({}));
    assert_eq!((found.wait, found.backoff, found.near_miss), (60 * SECOND, 0, 10));
    assert_eq!((found.reserve_after, found.reserve_for), (300 * SECOND, 600 * SECOND));
}

#[test]
fn the_older_name_of_the_waiting_time_is_taken() {
    assert_eq!(settings(&json!({"permitWaitingTime": 10})).wait, 10 * SECOND);
    assert_eq!(settings(&json!({"permitWaitingTimeSeconds": 20})).wait, 20 * SECOND);
    assert_eq!(settings(&json!({"permitWaitingTimeSeconds": 0})).wait, 60 * SECOND, "0 is not for ever");
}

#[test]
fn a_reservation_that_lasts_for_no_time_is_refused() {
    let mut args = defaults(DESCRIPTOR.args);
    args["reserveForSeconds"] = json!(0);
    let errors = (DESCRIPTOR.validate)(&args);
    assert_eq!(errors.first().map(|error| error.path.as_str()), Some("reserveForSeconds"));
    args["reserveAfterSeconds"] = json!(0);
    assert_eq!((DESCRIPTOR.validate)(&args), [], "none is made");
}

#[test]
fn it_sorts_by_priority_then_time() {
    let (low, high) = (pod("low"), PodInfo { priority: 10, ..pod("high") });
    assert_eq!(Coscheduling.compare((&high, 9), (&low, 1)), Ordering::Less);
    assert_eq!(Coscheduling.compare((&low, 2), (&low, 1)), Ordering::Greater);
}

#[test]
fn it_is_at_every_point_that_configurations_name_it_at() {
    let plugin = build(&DESCRIPTOR, &defaults(DESCRIPTOR.args));
    assert!(plugin.queue_sort.is_some() && plugin.node.is_some() && plugin.post_filter.is_some());
    assert!(plugin.reserve.is_some() && plugin.permit.is_some() && plugin.post_bind.is_some());
}
