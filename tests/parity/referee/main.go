// Command referee answers what kube-scheduler 1.36.3 decides. It links kube-scheduler's own packages (scheduler.New with
// its cache, snapshot, queue, profiles and plugins) over client-go's fake clientset, so that nothing of the decision is
// rewritten here: this program loads a cluster, asks, and reports.
//
// It has three modes.
//
//	referee                  serve: one JSON request a line on stdin, one JSON answer a line on stdout, in order
//	referee vectors DIR      write test vectors made by the real Go packages into DIR
//	referee bench [-n N] FILE  time the real scheduling algorithm for the pods of the one request in FILE
//
// # Request
//
//	{"id": "any text",
//	 "config": "KubeSchedulerConfiguration v1 as YAML; empty for the default profile",
//	 "objects": [Kubernetes objects with apiVersion and kind],
//	 "pods": ["namespace/name", ...],
//	 "echo": false}
//
// Objects get what the API server does at creation: defaulting, and for pods the merge of matchLabelKeys and
// mismatchLabelKeys into label selectors. Their status stays as given. A missing uid is made from kind, namespace and name,
// a missing namespace of a namespaced object is "default". Admission plugins are not run: spec.priority must be given, a
// priorityClassName alone means nothing. Pods in phase Succeeded or Failed are left out, as kube-scheduler's watch does.
// Pods are judged one by one against the same cluster; nothing is committed between them. Every profile runs with
// percentageOfNodesToScore 100 and, in DefaultPreemption, minCandidateNodesPercentage 100, so that neither samples nodes.
// HTTP extenders are refused.
//
// # Answer
//
//	{"id": "...",
//	 "error": "why the whole request failed; absent otherwise",
//	 "decisions": [Decision, ...],   one for each asked pod, in order
//	 "objects": [...]}               only with "echo": the objects as the API server would have stored them
//
// A Decision:
//
//	namespace, name, schedulerName
//	result          Feasible, Unschedulable, Gated or Error
//	message         the text of the FailedScheduling event and of the PodScheduled condition, PostFilter's part included
//	                (not cut to the event's 1,024 bytes); for Gated the PreEnqueue plugin's text; "" when Feasible
//	gatedBy         the first PreEnqueue plugin in the profile's order that gates the pod; "" otherwise
//	nominatedFirst  the pod's own nominated node is feasible and was taken without looking at other nodes
//	nodes           every node, sorted by name; empty when Gated, or when the pod never enters a scheduling cycle
//	preemption      null unless preemption nominated a node
//
// A node of a decision:
//
//	name, feasible
//	rejectedBy      the plugin that turned the node down. For a node outside the set to which PreFilter plugins narrowed
//	                the search (kube-scheduler itself names none there) it is the narrowing plugin; several are joined by
//	                commas
//	code            Unschedulable, UnschedulableAndUnresolvable, or Error
//	reasons         as kube-scheduler gives them; extended resources come in random order
//	scores          feasible nodes: {"Plugin": {"raw", "normalized", "weight", "weighted"}}, without the plugins that
//	                PreScore skipped, computed over the full feasible set even where kube-scheduler would not score
//	total           the sum of weighted
//
// preemption:
//
//	nominatedNode   the node that the real PostFilter chose
//	candidates      every node where preemption helps, sorted by node: {"node", "victims": ["namespace/name", ...] in
//	                kube-scheduler's order, "numPDBViolations"}
//	best            the nodes that tie on all of the documented criteria; nominatedNode is one of them, kube-scheduler
//	                picks by map order
//
// # Checks
//
// Every pod is judged twice: by the real Scheduler.SchedulePod, and by running the same framework's extension points over
// all nodes, which alone gives the scores. The two must agree (feasible or not, every node's status, the chosen node among
// the best), and so must each score and the framework's weighted one, and the nominated node and the tie set. A disagreement
// is a fault of this program: the whole request fails with an error.
//
// # Benchmark
//
// One JSON line for each pod of the request: {"namespace", "name", "runs", "nodes", "feasible", "medianMicros",
// "p99Micros", "error"}. A run is one call of Scheduler.SchedulePod (PreFilter, Filter on every node, PreScore, Score) with
// the configured parallelism, 16 by default; PostFilter, Reserve and binding are not in it.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
)

// gcPercent lets the heap grow to five times what is in use, some 300 MB with the largest clusters of the tests.
const gcPercent = 400

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "referee:", err)
		os.Exit(1)
	}
}

// run is main without the process: it reads the mode from args.
func run(args []string, in io.Reader, out io.Writer) error {
	if v := version.Get(); v.Major != "1" || v.Minor != "36" {
		return fmt.Errorf("not stamped with kube-scheduler's version (it says %q): build as README.md tells, or plugins that "+
			"go by the version decide differently", v.GitVersion)
	}
	flags := flag.NewFlagSet("referee", flag.ContinueOnError)
	logs := flags.Bool("logs", false, "print kube-scheduler's own log to stderr")
	if err := flags.Parse(args); err != nil {
		return err
	}
	quietLogs(*logs)
	// Every request builds a scheduler and drops it: collecting less often than by default saves a third of the time.
	debug.SetGCPercent(gcPercent)
	switch flags.Arg(0) {
	case "":
		return serve(in, out)
	case "vectors":
		if flags.NArg() != 2 {
			return errors.New("usage: referee vectors DIR")
		}
		return writeVectors(flags.Arg(1))
	case "bench":
		return benchCommand(flags.Args()[1:], out)
	default:
		return fmt.Errorf("unknown mode %q", flags.Arg(0))
	}
}

// quietLogs silences klog: a refused pod is an answer here, and the log line about it would only cost time.
func quietLogs(keep bool) {
	if keep {
		return
	}
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
}

// serve answers requests until the input ends.
func serve(in io.Reader, out io.Writer) error {
	reader := bufio.NewReaderSize(in, 1<<20)
	writer := bufio.NewWriterSize(out, 1<<20)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)
	for {
		line, readErr := reader.ReadBytes('\n')
		if len(line) > 1 {
			if err := encoder.Encode(answerLine(line)); err != nil {
				return err
			}
			if err := writer.Flush(); err != nil {
				return err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
}

// answerLine answers one request; a panic in kube-scheduler's code fails that request only.
func answerLine(line []byte) (answer Answer) {
	var request Request
	defer func() {
		if p := recover(); p != nil {
			answer = Answer{ID: request.ID, Error: fmt.Sprintf("panic: %v", p)}
		}
	}()
	if err := json.Unmarshal(line, &request); err != nil {
		return Answer{Error: fmt.Sprintf("request: %v", err)}
	}
	return answerRequest(request)
}
