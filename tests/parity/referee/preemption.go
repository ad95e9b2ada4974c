package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// evictionPoll is how often the end of the background evictions is looked for; they take microseconds.
const evictionPoll = 20 * time.Microsecond

// postFilter runs the real PostFilter plugins on the state that the real algorithm left, which completes the message, and
// lists the preemption candidates when a node was nominated.
func (cy *cycle) postFilter(state fwk.CycleState, fitError *framework.FitError, decision *Decision) error {
	if !cy.profile.HasPostFilterPlugins() {
		decision.Message = fitError.Error()
		return nil
	}
	result, status := cy.profile.RunPostFilterPlugins(cy.ctx, state, cy.pod, fitError.Diagnosis.NodeToStatus)
	fitError.Diagnosis.PostFilterMsg = status.Message()
	decision.Message = fitError.Error()
	if !status.IsSuccess() || result == nil || result.NominatingInfo == nil || result.NominatedNodeName == "" {
		return nil
	}
	plugin, ok := cy.plugins[cy.profile.ProfileName()][names.DefaultPreemption].(*defaultpreemption.DefaultPreemption)
	if !ok {
		return errors.New("a node was nominated without DefaultPreemption")
	}
	// The evictions, which change nothing here, run in the background and gate the pod until they are through.
	for plugin.Executor.IsPodRunningPreemption(cy.pod.UID) {
		time.Sleep(evictionPoll)
	}
	preemption, err := cy.candidates(state, plugin, fitError.Diagnosis.NodeToStatus)
	if err != nil {
		return err
	}
	preemption.NominatedNode = result.NominatedNodeName
	if !slices.Contains(preemption.Best, preemption.NominatedNode) {
		return fmt.Errorf("PostFilter nominated %s, the best candidates are %v", preemption.NominatedNode, preemption.Best)
	}
	decision.Preemption = preemption
	return nil
}

// candidates repeats the evaluator's dry run over all nodes that preemption may help. Nothing is evicted.
func (cy *cycle) candidates(state fwk.CycleState, plugin *defaultpreemption.DefaultPreemption, statuses *framework.NodeToStatus) (*Preemption, error) {
	potential, err := statuses.NodesForStatusCode(cy.profile.SnapshotSharedLister().NodeInfos(), fwk.Unschedulable)
	if err != nil {
		return nil, err
	}
	evaluator := plugin.Evaluator
	pdbs, err := evaluator.PdbLister.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	found, _, err := evaluator.DryRunPreemption(cy.ctx, state, cy.pod, potential, pdbs, 0, int32(len(potential)))
	if err != nil && len(found) == 0 {
		return nil, err
	}
	preemption := &Preemption{Candidates: make([]Candidate, 0, len(found))}
	victims := make(map[string]*extenderv1.Victims, len(found))
	for _, candidate := range found {
		victims[candidate.Name()] = candidate.Victims()
		c := Candidate{Node: candidate.Name(), NumPDBViolations: candidate.Victims().NumPDBViolations}
		for _, pod := range candidate.Victims().Pods {
			c.Victims = append(c.Victims, pod.Namespace+"/"+pod.Name)
		}
		preemption.Candidates = append(preemption.Candidates, c)
	}
	sort.Slice(preemption.Candidates, func(i, j int) bool { return preemption.Candidates[i].Node < preemption.Candidates[j].Node })
	preemption.Best = tied(victims)
	if chosen := evaluator.SelectCandidate(cy.ctx, found); chosen == nil || !slices.Contains(preemption.Best, chosen.Name()) {
		return nil, fmt.Errorf("SelectCandidate chose %v, the best candidates are %v", chosen, preemption.Best)
	}
	return preemption, nil
}

// rank holds a candidate's five comparable criteria, each the smaller the better; the sixth is chance.
type rank [5]int64

// rankOf computes the documented criteria: PDB violations, highest priority among the victims, sum of their priorities,
// their number, and the start of the longest running of the highest priority.
func rankOf(victims *extenderv1.Victims) rank {
	highest := corev1helpers.PodPriority(victims.Pods[0])
	var sum int64
	var earliest int64 = math.MaxInt64
	for _, pod := range victims.Pods {
		priority := corev1helpers.PodPriority(pod)
		// Shifted so that it is never negative, and more victims never sum to less.
		sum += int64(priority) + math.MaxInt32 + 1
		if start := startNanos(pod); priority == highest && start < earliest {
			earliest = start
		}
	}
	return rank{victims.NumPDBViolations, int64(highest), sum, int64(len(victims.Pods)), -earliest}
}

// startNanos is the pod's start; one that has not started counts as starting later than any.
func startNanos(pod *v1.Pod) int64 {
	if pod.Status.StartTime == nil {
		return math.MaxInt64
	}
	return pod.Status.StartTime.UnixNano()
}

// tied lists the nodes of the best rank, sorted.
func tied(victims map[string]*extenderv1.Victims) []string {
	var best []string
	var bestRank rank
	for node, v := range victims {
		r := rankOf(v)
		switch order := slices.Compare(r[:], bestRank[:]); {
		case best == nil || order < 0:
			best, bestRank = []string{node}, r
		case order == 0:
			best = append(best, node)
		}
	}
	sort.Strings(best)
	return best
}
