//! Results, as a table of medians with ratios and as raw lines.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use crate::scheduler::Which;
use crate::workloads::Workload;

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) pods_per_second: f64,
    /// Milliseconds.
    pub(crate) cpu_per_pod: f64,
    pub(crate) requests_per_pod: f64,
    /// Mean of the attempts that found nodes, as the scheduler's own metrics have it, in milliseconds.
    pub(crate) attempt: f64,
    /// From created to bound, as a watch tells of it, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// MiB.
    pub(crate) peak: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pods_per_second, cpu_per_pod, requests_per_pod, attempt, p50, p99, peak } = self;
        write!(
            f,
            "{pods_per_second:.0} pods/s, {cpu_per_pod:.3} ms CPU a pod, {attempt:.3} ms an attempt, p50 {p50:.1} ms, p99 {p99:.1} ms, {peak:.0} MiB, \
             {requests_per_pod:.2} requests a pod"
        )
    }
}

/// All of them.
pub(crate) struct Report {
    nodes: usize,
    resident: usize,
    all: Vec<(Workload, Which, Measured)>,
    raw: Option<File>,
}

impl Report {
    pub(crate) fn new(nodes: usize, resident: usize, raw: Option<&Path>) -> Result<Self> {
        Ok(Self { nodes, resident, all: Vec::new(), raw: raw.map(File::create).transpose()? })
    }

    pub(crate) fn add(&mut self, workload: Workload, which: Which, measured: Measured) -> Result<()> {
        if let Some(raw) = &mut self.raw {
            let Measured { pods_per_second, cpu_per_pod, requests_per_pod, attempt, p50, p99, peak } = measured;
            let line = json!({
                "nodes": self.nodes,
                "resident": self.resident,
                "workload": format!("{workload:?}"),
                "scheduler": which.name(),
                "podsPerSecond": pods_per_second,
                "cpuMillisecondsPerPod": cpu_per_pod,
                "requestsPerPod": requests_per_pod,
                "attemptMilliseconds": attempt,
                "p50Milliseconds": p50,
                "p99Milliseconds": p99,
                "peakMebibytes": peak,
            });
            writeln!(raw, "{line}")?;
        }
        self.all.push((workload, which, measured));
        Ok(())
    }

    /// Medians of all rounds; what kube-scheduler takes is told as a multiple of what Loadline takes.
    pub(crate) fn table(&self, workloads: &[Workload], schedulers: &[Which]) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            format!("{} nodes", self.nodes),
            String::new(),
            "pods/s".to_owned(),
            "CPU ms a pod".to_owned(),
            "attempt ms".to_owned(),
            "p50 ms".to_owned(),
            "p99 ms".to_owned(),
            "MiB".to_owned(),
            "requests a pod".to_owned(),
        ]);
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for workload in workloads {
            let ours = self.median(*workload, Which::Loadline);
            for which in schedulers {
                let Some(median) = self.median(*workload, *which) else { continue };
                let ratio = |value: fn(&Measured) -> f64, digits: usize| {
                    let text = format!("{:.digits$}", value(&median));
                    match ours.as_ref().filter(|_| *which != Which::Loadline) {
                        Some(ours) => format!("{text} ({:.2}x)", value(&median) / value(ours).max(f64::EPSILON)),
                        None => text,
                    }
                };
                table.add_row([
                    format!("{workload:?}"),
                    which.name().to_owned(),
                    ratio(|of| of.pods_per_second, 0),
                    ratio(|of| of.cpu_per_pod, 3),
                    ratio(|of| of.attempt, 3),
                    ratio(|of| of.p50, 1),
                    ratio(|of| of.p99, 1),
                    ratio(|of| of.peak, 0),
                    format!("{:.2}", median.requests_per_pod),
                ]);
            }
        }
        table.to_string()
    }

    fn median(&self, workload: Workload, which: Which) -> Option<Measured> {
        let rounds: Vec<&Measured> =
            self.all.iter().filter(|(w, s, _)| (*w, *s) == (workload, which)).map(|(.., measured)| measured).collect();
        if rounds.is_empty() {
            return None;
        }
        let median = |value: fn(&Measured) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(|measured| value(measured)).collect();
            values.sort_by(f64::total_cmp);
            let half = values.len() / 2;
            if values.len().is_multiple_of(2) { f64::midpoint(values[half - 1], values[half]) } else { values[half] }
        };
        Some(Measured {
            pods_per_second: median(|of| of.pods_per_second),
            cpu_per_pod: median(|of| of.cpu_per_pod),
            requests_per_pod: median(|of| of.requests_per_pod),
            attempt: median(|of| of.attempt),
            p50: median(|of| of.p50),
            p99: median(|of| of.p99),
            peak: median(|of| of.peak),
        })
    }
}
