package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// request makes a request of YAML documents separated by "---".
func request(t *testing.T, objects string, pods ...string) Request {
	t.Helper()
	r := Request{ID: t.Name(), Pods: pods}
	for _, document := range strings.Split(objects, "\n---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		text, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		r.Objects = append(r.Objects, text)
	}
	return r
}

// ask answers and fails the test on an error.
func ask(t *testing.T, r Request) []Decision {
	t.Helper()
	answer := answerRequest(r)
	if answer.Error != "" {
		t.Fatal(answer.Error)
	}
	if answer.ID != r.ID || len(answer.Decisions) != len(r.Pods) {
		t.Fatalf("answer %q has %d decisions", answer.ID, len(answer.Decisions))
	}
	return answer.Decisions
}

// node is a node of one CPU core per unit; extra is added to its spec.
func node(name, zone, cpu, extra string) string {
	return `
apiVersion: v1
kind: Node
metadata: {name: ` + name + `, labels: {kubernetes.io/hostname: ` + name + `, zone: ` + zone + `}}
spec: {` + extra + `}
status: {allocatable: {cpu: "` + cpu + `", memory: 8Gi, pods: "10"}}
---
`
}

// pod is a pod of one container; extra is added to its spec.
func pod(name, cpu, extra, status string) string {
	return `
apiVersion: v1
kind: Pod
metadata: {name: ` + name + `, namespace: default, labels: {app: ` + strings.Split(name, "-")[0] + `}}
spec:
  containers: [{name: c, image: i, resources: {requests: {cpu: "` + cpu + `"}}}]
  ` + strings.ReplaceAll(extra, "\n", "\n  ") + `
status: {` + status + `}
---
`
}

const running = `phase: Running, startTime: "2025-01-01T00:00:00Z"`

// want compares the fields of a decision that a test names.
func want(t *testing.T, d Decision, result, message string, feasible ...string) {
	t.Helper()
	var got []string
	for _, n := range d.Nodes {
		if n.Feasible {
			got = append(got, n.Name)
		}
	}
	if d.Result != result || d.Message != message || !slices.Equal(got, feasible) {
		t.Errorf("%s: %s %q on %v, want %s %q on %v", d.Name, d.Result, d.Message, got, result, message, feasible)
	}
}

func TestPlainPodIsScored(t *testing.T) {
	d := ask(t, request(t, node("a", "x", "4", "")+node("b", "x", "4", "")+
		pod("busy", "2", "nodeName: a", running)+pod("p", "1", "", ""), "default/p"))[0]
	want(t, d, resultFeasible, "", "a", "b")
	// 200Mi of 8Gi are asked for by default: b has (75+97)/2, a (25+95)/2.
	if got := d.Nodes[1].Scores["NodeResourcesFit"]; got != (Score{Raw: 86, Normalized: 86, Weight: 1, Weighted: 86}) {
		t.Errorf("b: %+v", got)
	}
	if got := d.Nodes[0].Scores["TaintToleration"]; got != (Score{Raw: 0, Normalized: 100, Weight: 3, Weighted: 300}) {
		t.Errorf("a: %+v", got)
	}
	if _, skipped := d.Nodes[0].Scores["NodeAffinity"]; skipped {
		t.Error("NodeAffinity scores though the pod has no affinity")
	}
	var sum int64
	for _, score := range d.Nodes[0].Scores {
		sum += score.Weighted
	}
	if sum != d.Nodes[0].Total || d.Nodes[0].Total >= d.Nodes[1].Total {
		t.Errorf("totals %d and %d, sum %d", d.Nodes[0].Total, d.Nodes[1].Total, sum)
	}
}

func TestRefusals(t *testing.T) {
	objects := node("tainted", "x", "4", "taints: [{key: k, effect: NoSchedule}]") + node("east", "east", "4", "") + node("full", "east", "1", "") +
		pod("plain", "2", "", "") +
		pod("choosy", "1", "nodeSelector: {zone: x}\npreemptionPolicy: Never", "") +
		pod("tolerant", "2", "tolerations: [{operator: Exists}]", "")
	d := ask(t, request(t, objects, "default/plain", "default/choosy", "default/tolerant"))
	want(t, d[0], resultFeasible, "", "east")
	if n := d[0].Nodes[1]; n.Name != "full" || n.RejectedBy != "NodeResourcesFit" || n.Code != "UnschedulableAndUnresolvable" || !slices.Equal(n.Reasons, []string{"Insufficient cpu"}) {
		t.Errorf("%+v", n)
	}
	want(t, d[1], resultUnschedulable, "0/3 nodes are available: 1 node(s) had untolerated taint(s), "+
		"2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.")
	want(t, d[2], resultFeasible, "", "east", "tainted")
}

func TestSpreadMergesMatchLabelKeys(t *testing.T) {
	spread := `topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {}, matchLabelKeys: [app]}]`
	r := request(t, node("a", "east", "4", "")+node("b", "west", "4", "")+
		pod("web-1", "1", "nodeName: a", running)+pod("other", "1", "nodeName: b", running)+pod("web-2", "1", spread, ""), "default/web-2")
	r.Echo = true
	answer := answerRequest(r)
	if answer.Error != "" {
		t.Fatal(answer.Error)
	}
	want(t, answer.Decisions[0], resultFeasible, "", "b")
	if n := answer.Decisions[0].Nodes[0]; n.RejectedBy != "PodTopologySpread" || n.Code != "Unschedulable" {
		t.Errorf("%+v", n)
	}
	text, err := json.Marshal(answer.Objects[4])
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"kind":"Pod"`, `"matchExpressions":[{"key":"app","operator":"In","values":["web"]}]`, `"schedulerName":"default-scheduler"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("no %s in %s", part, text)
		}
	}
}

func TestInterPodAffinity(t *testing.T) {
	anti := `affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone, labelSelector: {matchLabels: {app: web}}}]}}`
	d := ask(t, request(t, node("a", "east", "4", "")+node("b", "east", "4", "")+node("c", "west", "4", "")+
		pod("web-1", "1", "nodeName: a", running)+pod("web-2", "1", anti, ""), "default/web-2"))[0]
	want(t, d, resultFeasible, "", "c")
	if d.Nodes[1].RejectedBy != "InterPodAffinity" {
		t.Errorf("%+v", d.Nodes[1])
	}
}

func TestPreemptionPrefersNoViolation(t *testing.T) {
	pdb := `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: guard, namespace: default}
spec: {selector: {matchLabels: {app: guarded}}}
status: {disruptionsAllowed: 0}
---
`
	d := ask(t, request(t, node("a", "x", "2", "")+node("b", "x", "2", "")+node("c", "x", "2", "")+node("d", "x", "2", "")+pdb+
		pod("guarded-1", "2", "nodeName: a\npriority: 1", running)+
		pod("free-1", "1", "nodeName: b\npriority: 1", running)+pod("free-2", "1", "nodeName: b\npriority: 2", running)+
		pod("free-3", "2", "nodeName: c\npriority: 1", running)+pod("free-4", "2", "nodeName: d\npriority: 1", running)+
		pod("urgent", "2", "priority: 10", "")+pod("modest", "1", "priority: 0", ""),
		"default/urgent", "default/modest", "default/urgent"))
	message := "0/4 nodes are available: 4 Insufficient cpu."
	want(t, d[0], resultUnschedulable, message)
	expected := &Preemption{
		NominatedNode: d[0].Preemption.NominatedNode,
		Candidates: []Candidate{
			{Node: "a", Victims: []string{"default/guarded-1"}, NumPDBViolations: 1},
			{Node: "b", Victims: []string{"default/free-2", "default/free-1"}},
			{Node: "c", Victims: []string{"default/free-3"}},
			{Node: "d", Victims: []string{"default/free-4"}},
		},
		Best: []string{"c", "d"},
	}
	if !reflect.DeepEqual(d[0].Preemption, expected) {
		t.Errorf("%+v", d[0].Preemption)
	}
	want(t, d[1], resultUnschedulable, "0/4 nodes are available: 4 Insufficient cpu. no new claims to deallocate, "+
		"preemption: 0/4 nodes are available: 4 No preemption victims found for incoming pod.")
	// The evictions of the first pod never happened.
	want(t, d[2], resultUnschedulable, message)
	if len(d[2].Preemption.Candidates) != 4 {
		t.Errorf("%+v", d[2].Preemption)
	}
}

func TestGatedAndForeignPods(t *testing.T) {
	objects := node("a", "x", "4", "") + pod("gated", "1", "schedulingGates: [{name: example.com/wait}]", "") +
		pod("foreign", "1", "schedulerName: other", "") + pod("assigned", "1", "nodeName: a", running) +
		strings.Replace(pod("leaving", "1", "", ""), "labels:", "finalizers: [example.com/f], deletionTimestamp: \"2025-01-01T00:00:00Z\", labels:", 1)
	d := ask(t, request(t, objects, "default/gated", "default/foreign", "default/assigned", "default/absent", "default/leaving"))
	want(t, d[0], resultGated, "waiting for scheduling gates: [example.com/wait]")
	if d[0].GatedBy != "SchedulingGates" {
		t.Errorf("gated by %q", d[0].GatedBy)
	}
	want(t, d[1], resultError, `profile not found for scheduler name "other"`)
	want(t, d[2], resultError, "the pod is assigned to node a")
	want(t, d[3], resultError, `pod "absent" not found`)
	want(t, d[4], resultUnschedulable, "skip schedule deleting pod: default/leaving")
}

func TestNominatedPods(t *testing.T) {
	objects := node("a", "x", "2", "") + node("b", "x", "2", "") +
		pod("holder", "2", "priority: 5", "nominatedNodeName: a") + pod("lower", "1", "priority: 1", "") + pod("higher", "1", "priority: 9", "")
	d := ask(t, request(t, objects, "default/holder", "default/lower", "default/higher"))
	want(t, d[0], resultFeasible, "", "a", "b")
	want(t, d[1], resultFeasible, "", "b")
	want(t, d[2], resultFeasible, "", "a", "b")
	if !d[0].NominatedFirst || d[1].NominatedFirst {
		t.Errorf("nominated first: %v %v", d[0].NominatedFirst, d[1].NominatedFirst)
	}
}

func TestNarrowedByPreFilter(t *testing.T) {
	only := func(names string) string {
		return "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: In, values: [" + names + "]}]}]}}}"
	}
	d := ask(t, request(t, node("a", "x", "2", "")+node("b", "x", "2", "")+node("c", "x", "2", "taints: [{key: k, effect: NoSchedule}]")+
		pod("p", "1", only("b"), "")+pod("q", "1", only("c"), "nominatedNodeName: c")+
		pod("r", "1", only("a")+"\n", "nominatedNodeName: b"), "default/p", "default/q", "default/r"))
	want(t, d[0], resultFeasible, "", "b")
	if n := d[0].Nodes[0]; n.RejectedBy != "NodeAffinity" || n.Code != "UnschedulableAndUnresolvable" || n.Reasons[0] != "node(s) didn't satisfy plugin(s) [NodeAffinity]" {
		t.Errorf("%+v", n)
	}
	want(t, d[1], resultUnschedulable, "0/3 nodes are available: 1 node(s) had untolerated taint(s), "+
		"2 node(s) didn't satisfy plugin(s) [NodeAffinity TaintToleration]. no new claims to deallocate, "+
		"preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.")
	want(t, d[2], resultFeasible, "", "a")
}

func TestClusterAsInReality(t *testing.T) {
	objects := node("a", "x", "2", "") +
		pod("done", "2", "nodeName: a", "phase: Succeeded") + pod("lost", "2", "nodeName: gone", running) + pod("p", "2", "", "")
	want(t, ask(t, request(t, objects, "default/p"))[0], resultFeasible, "", "a")
	want(t, ask(t, request(t, pod("p", "1", "", ""), "default/p"))[0], resultUnschedulable, "no nodes available to schedule pods")
}

func TestConfig(t *testing.T) {
	r := request(t, node("a", "x", "2", "")+pod("p", "1", "schedulerName: lean", ""), "default/p")
	r.Config = `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: lean
  plugins:
    score:
      disabled: [{name: "*"}]
      enabled: [{name: NodeResourcesFit, weight: 7}]
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 1}]}}
`
	d := ask(t, r)[0]
	if !reflect.DeepEqual(d.Nodes[0].Scores, map[string]Score{"NodeResourcesFit": {Raw: 50, Normalized: 50, Weight: 7, Weighted: 350}}) {
		t.Errorf("%+v", d.Nodes[0])
	}
	for _, config := range []string{"nonsense", "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nparallelism: -1\n",
		"apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nextenders: [{urlPrefix: \"http://localhost\"}]\n"} {
		r.Config = config
		if answer := answerRequest(r); !strings.HasPrefix(answer.Error, "config: ") || answer.Decisions != nil {
			t.Errorf("%q: %+v", config, answer)
		}
	}
}

func TestServeKeepsOrderAndSurvivesNonsense(t *testing.T) {
	good, err := json.Marshal(request(t, node("a", "x", "2", "")+pod("p", "1", "", ""), "default/p"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	input := string(good) + "\nnonsense\n{\"id\":\"u\",\"objects\":[{\"kind\":\"Unknown\",\"apiVersion\":\"v1\"}]}\n" + string(good)
	if err := serve(strings.NewReader(input), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 || lines[0] != lines[3] || !strings.Contains(lines[0], `"result":"Feasible"`) ||
		!strings.Contains(lines[1], `"error":"request: `) || !strings.Contains(lines[2], `"id":"u","error":"object 0: `) {
		t.Errorf("%d lines: %s", len(lines), out.String())
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	r := request(t, node("a", "x", "1", "")+pod("v", "1", "nodeName: a\npriority: 0", running)+pod("p", "1", "priority: 1", ""), "default/p")
	ask(t, r)
	// The metrics recorders see that they are to stop once a second.
	settled := func() int {
		least := runtime.NumGoroutine()
		for range 130 {
			time.Sleep(10 * time.Millisecond)
			least = min(least, runtime.NumGoroutine())
		}
		return least
	}
	before := settled()
	for range 20 {
		ask(t, r)
	}
	if after := settled(); after > before+2 {
		t.Errorf("%d goroutines before, %d after 20 requests", before, after)
	}
}

func TestBench(t *testing.T) {
	text, err := json.Marshal(request(t, node("a", "x", "2", "")+node("b", "x", "2", "")+pod("p", "1", "", "")+pod("big", "9", "", ""), "default/p", "default/big"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "request.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := benchCommand([]string{"-n", "5", file}, &out); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(&out)
	for _, feasible := range []int{2, 0} {
		var timing Timing
		if err := decoder.Decode(&timing); err != nil {
			t.Fatal(err)
		}
		if timing.Runs != 5 || timing.Nodes != 2 || timing.Feasible != feasible || timing.Error != "" || timing.MedianMicros <= 0 || timing.P99Micros < timing.MedianMicros {
			t.Errorf("%+v", timing)
		}
	}
}

// TestVectorsAreCurrent fails when the vectors in the tree are not those of the linked packages.
func TestVectorsAreCurrent(t *testing.T) {
	for name, content := range vectorFiles() {
		expected, err := content()
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "vectors", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, expected) {
			t.Errorf("%s differs: run referee vectors", name)
		}
	}
}
