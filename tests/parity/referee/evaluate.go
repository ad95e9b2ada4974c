package main

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// serialParallelism makes the order of events inside one decision repeatable.
const serialParallelism = 1

// answerRequest judges every asked pod.
func answerRequest(request Request) Answer {
	answer := Answer{ID: request.ID}
	if err := judge(request, &answer); err != nil {
		return Answer{ID: request.ID, Error: err.Error()}
	}
	return answer
}

func judge(request Request, answer *Answer) error {
	cfg, err := loadConfig(request.Config)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	objects, err := loadObjects(request.Objects)
	if err != nil {
		return err
	}
	c, err := newCluster(cfg, serialParallelism, objects)
	if err != nil {
		return err
	}
	defer c.close()
	for _, key := range request.Pods {
		decision, err := c.decide(key)
		if err != nil {
			return fmt.Errorf("pod %s: %w", key, err)
		}
		answer.Decisions = append(answer.Decisions, decision)
	}
	if request.Echo {
		for _, object := range objects {
			answer.Objects = append(answer.Objects, object)
		}
	}
	return nil
}

// cycle is one pod's scheduling cycle.
type cycle struct {
	*cluster
	profile framework.Framework
	pod     *v1.Pod
}

// decide judges one pod. The error tells of a fault of this program; kube-scheduler's own errors are decisions.
func (c *cluster) decide(key string) (Decision, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return Decision{}, err
	}
	decision := Decision{Namespace: namespace, Name: name, Nodes: []NodeDecision{}, Result: resultError}
	pod, err := c.pods.Pods(namespace).Get(name)
	if err != nil {
		decision.Message = err.Error()
		return decision, nil
	}
	decision.SchedulerName = pod.Spec.SchedulerName
	profile, ok := c.scheduler.Profiles[pod.Spec.SchedulerName]
	if !ok {
		decision.Message = fmt.Sprintf("profile not found for scheduler name %q", pod.Spec.SchedulerName)
		return decision, nil
	}
	if pod.Spec.NodeName != "" {
		decision.Message = "the pod is assigned to node " + pod.Spec.NodeName
		return decision, nil
	}
	cy := cycle{cluster: c, profile: profile, pod: pod}
	if plugin, status := cy.gated(); status != nil {
		decision.Result, decision.GatedBy, decision.Message = resultGated, plugin, status.Message()
		return decision, nil
	}
	if pod.DeletionTimestamp != nil {
		// The loop drops it before a cycle begins, with an event of this text and no condition.
		decision.Result = resultUnschedulable
		decision.Message = fmt.Sprintf("skip schedule deleting pod: %s/%s", namespace, name)
		return decision, nil
	}
	return decision, cy.run(&decision)
}

// gated runs PreEnqueue in the profile's order.
func (cy *cycle) gated() (string, *fwk.Status) {
	for _, plugin := range cy.profile.PreEnqueuePlugins() {
		if status := plugin.PreEnqueue(cy.ctx, cy.pod); !status.IsSuccess() {
			return plugin.Name(), status
		}
	}
	return "", nil
}

// newState is the state with which a scheduling cycle begins.
func newState() fwk.CycleState {
	state := framework.NewCycleState()
	state.Write(framework.PodsToActivateKey, framework.NewPodsToActivate())
	return state
}

// schedule asks the real algorithm.
func (cy *cycle) schedule(state fwk.CycleState) (scheduler.ScheduleResult, error) {
	// As the queue does, the error of a malformed affinity term is dropped.
	podInfo, _ := framework.NewPodInfo(cy.pod)
	return cy.scheduler.SchedulePod(cy.ctx, cy.profile, state, &framework.QueuedPodInfo{PodInfo: podInfo})
}

// run fills in the decision by the real algorithm and by the extension points over every node, and compares the two.
func (cy *cycle) run(decision *Decision) error {
	state := newState()
	result, err := cy.schedule(state)
	var fitError *framework.FitError
	switch {
	case errors.Is(err, scheduler.ErrNoNodesAvailable):
		decision.Result, decision.Message = resultUnschedulable, err.Error()
		return nil
	case errors.As(err, &fitError):
		decision.Result = resultUnschedulable
	case err != nil:
		decision.Result, decision.Message = resultError, err.Error()
	default:
		decision.Result = resultFeasible
	}

	byHand, state2 := cy.filter()
	if err := cy.compareFilter(byHand, decision.Result, fitError); err != nil {
		return err
	}
	decision.NominatedFirst = byHand.nominatedFirst
	decision.Nodes = byHand.decisions(cy.nodes)
	switch decision.Result {
	case resultFeasible:
		err := cy.score(state2, byHand.feasible, decision.Nodes)
		// The algorithm does not score a node that has no rival, and so goes without the error of PreScore or of Score.
		if err != nil && !(errors.Is(err, errUnscored) && result.FeasibleNodes == 1) {
			return err
		}
		return checkChoice(result.SuggestedHost, cy.pod, decision)
	case resultUnschedulable:
		return cy.postFilter(state, fitError, decision)
	default:
		return nil
	}
}

// filtered is what PreFilter and Filter say about every node.
type filtered struct {
	// feasible nodes in the snapshot's order.
	feasible       []fwk.NodeInfo
	nominatedFirst bool
	// status of every node that is not feasible.
	status map[string]*fwk.Status
	// narrowedBy are the PreFilter plugins that returned node names.
	narrowedBy []string
	// err is PreFilter's or Filter's internal error.
	err error
}

// filter runs PreFilter, then Filter on every node that PreFilter left and on the pod's own nominated node.
func (cy *cycle) filter() (filtered, fwk.CycleState) {
	state := newState()
	f := filtered{status: make(map[string]*fwk.Status)}
	preResult, status, narrowed := cy.profile.RunPreFilterPlugins(cy.ctx, state, cy.pod)
	f.narrowedBy = slices.Sorted(setValues(narrowed))
	if !status.IsSuccess() {
		if !status.IsRejected() {
			f.err = status.AsError()
		}
		for _, node := range cy.nodes {
			f.status[node.Node().Name] = status
		}
		return f, state
	}
	// kube-scheduler collects every rejecting plugin in the set that PreFilter returned, and prints that set for the nodes
	// left out; the nominated node is looked at before the text is made.
	diagnosis := framework.Diagnosis{UnschedulablePlugins: narrowed}
	nominated := cy.pod.Status.NominatedNodeName
	for _, node := range cy.nodes {
		if name := node.Node().Name; nominated != "" && name == nominated {
			if status := cy.filterNode(state, node, &f); status.IsSuccess() {
				f.nominatedFirst = true
			} else {
				diagnosis.AddPluginStatus(status)
			}
		}
	}
	leftOut := fwk.NewStatus(fwk.UnschedulableAndUnresolvable,
		fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", slices.Sorted(setValues(diagnosis.UnschedulablePlugins))))
	for _, node := range cy.nodes {
		name := node.Node().Name
		inSet := preResult.AllNodes() || preResult.NodeNames.Has(name)
		_, refused := f.status[name]
		switch {
		case name == nominated && nominated != "":
			if !refused {
				f.feasible = append(f.feasible, node)
			}
		case !inSet:
			f.status[name] = leftOut
		case cy.filterNode(state, node, &f).IsSuccess():
			f.feasible = append(f.feasible, node)
		}
	}
	return f, state
}

// filterNode filters one node and notes a refusal.
func (cy *cycle) filterNode(state fwk.CycleState, node fwk.NodeInfo, f *filtered) *fwk.Status {
	status := cy.profile.RunFilterPluginsWithNominatedPods(cy.ctx, state, cy.pod, node)
	if !status.IsSuccess() {
		f.status[node.Node().Name] = status
	}
	if status.Code() == fwk.Error && f.err == nil {
		f.err = status.AsError()
	}
	return status
}

// compareFilter checks the extension points' verdicts against the real algorithm's.
func (cy *cycle) compareFilter(f filtered, result string, fitError *framework.FitError) error {
	switch result {
	case resultFeasible:
		if len(f.feasible) == 0 {
			return errors.New("the algorithm finds a node, the filters none")
		}
	case resultError:
		// Scoring fails after filtering did not, so no error of the filters need be here.
		return nil
	case resultUnschedulable:
		if len(f.feasible) != 0 || f.err != nil {
			return fmt.Errorf("the algorithm finds no node, the filters %d (error: %v)", len(f.feasible), f.err)
		}
		for name, mine := range f.status {
			real := fitError.Diagnosis.NodeToStatus.Get(name)
			if real.Code() != mine.Code() || real.Plugin() != mine.Plugin() || !sameReasons(real, mine) {
				return fmt.Errorf("node %s: the algorithm says %v by %q, the filters %v by %q", name, real, real.Plugin(), mine, mine.Plugin())
			}
		}
	}
	return nil
}

// sameReasons compares as sets: the reasons of extended resources come in map order.
func sameReasons(a, b *fwk.Status) bool {
	x, y := slices.Clone(a.Reasons()), slices.Clone(b.Reasons())
	sort.Strings(x)
	sort.Strings(y)
	return slices.Equal(x, y)
}

// decisions lists every node, sorted by name.
func (f filtered) decisions(nodes []fwk.NodeInfo) []NodeDecision {
	list := make([]NodeDecision, 0, len(nodes))
	for _, node := range nodes {
		d := NodeDecision{Name: node.Node().Name, Feasible: true, Reasons: []string{}}
		if status, refused := f.status[d.Name]; refused {
			d.Feasible = false
			d.RejectedBy = status.Plugin()
			if d.RejectedBy == "" {
				d.RejectedBy = strings.Join(f.narrowedBy, ",")
			}
			d.Code = status.Code().String()
			d.Reasons = append(d.Reasons, status.Reasons()...)
		}
		list = append(list, d)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// checkChoice checks that the node which the real algorithm chose is one that may be chosen by the decision's scores.
func checkChoice(chosen string, pod *v1.Pod, decision *Decision) error {
	if decision.NominatedFirst {
		if chosen != pod.Status.NominatedNodeName {
			return fmt.Errorf("the algorithm chose %s, not the feasible nominated node", chosen)
		}
		return nil
	}
	var best int64
	found := -1
	for i, node := range decision.Nodes {
		if node.Feasible {
			best = max(best, node.Total)
		}
		if node.Name == chosen {
			found = i
		}
	}
	if found < 0 || !decision.Nodes[found].Feasible || decision.Nodes[found].Total != best {
		return fmt.Errorf("the algorithm chose %s, which is not among the best (total %d)", chosen, best)
	}
	return nil
}
