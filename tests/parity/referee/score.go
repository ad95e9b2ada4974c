package main

import (
	"errors"
	"fmt"
	"iter"
	"maps"

	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
)

// setValues lists a set that may be nil.
func setValues(set sets.Set[string]) iter.Seq[string] { return maps.Keys(set) }

// errUnscored is in the chain of what PreScore and Score say when kube-scheduler itself has no scores.
var errUnscored = errors.New("no scores")

// score runs PreScore and Score over all feasible nodes and enters the scores into their decisions. state is the one that
// PreFilter filled.
func (cy *cycle) score(state fwk.CycleState, feasible []fwk.NodeInfo, decisions []NodeDecision) error {
	byName := make(map[string]*NodeDecision, len(decisions))
	for i := range decisions {
		byName[decisions[i].Name] = &decisions[i]
	}
	if !cy.profile.HasScorePlugins() {
		// So does kube-scheduler when nothing scores.
		for _, node := range feasible {
			byName[node.Node().Name].Total = 1
		}
		return nil
	}
	if status := cy.profile.RunPreScorePlugins(cy.ctx, state, cy.pod, feasible); !status.IsSuccess() {
		return fmt.Errorf("%w: %w", errUnscored, status.AsError())
	}
	weighted, status := cy.profile.RunScorePlugins(cy.ctx, state, cy.pod, feasible)
	if !status.IsSuccess() {
		return fmt.Errorf("%w: %w", errUnscored, status.AsError())
	}
	weights := make(map[string]int64)
	for _, plugin := range cy.profile.ListPlugins().Score.Enabled {
		weights[plugin.Name] = int64(plugin.Weight)
	}
	for i := range weighted {
		node := byName[weighted[i].Name]
		node.Total = weighted[i].TotalScore
		node.Scores = make(map[string]Score, len(weighted[i].Scores))
		for _, score := range weighted[i].Scores {
			node.Scores[score.Name] = Score{Weighted: score.Score, Weight: weights[score.Name]}
		}
	}
	if len(weighted) == 0 {
		return nil
	}
	for _, score := range weighted[0].Scores {
		if err := cy.addUnweighted(state, score.Name, feasible, byName); err != nil {
			return fmt.Errorf("plugin %s: %w", score.Name, err)
		}
	}
	return nil
}

// addUnweighted asks one plugin itself for its scores before and after NormalizeScore, which the framework does not give
// away, and checks them against what the framework made of them.
func (cy *cycle) addUnweighted(state fwk.CycleState, name string, feasible []fwk.NodeInfo, byName map[string]*NodeDecision) error {
	plugin, ok := cy.plugins[cy.profile.ProfileName()][name].(fwk.ScorePlugin)
	if !ok {
		return fmt.Errorf("no instance that scores")
	}
	list := make(fwk.NodeScoreList, len(feasible))
	raw := make([]int64, len(feasible))
	for i, node := range feasible {
		value, status := plugin.Score(cy.ctx, state, cy.pod, node)
		if !status.IsSuccess() {
			return status.AsError()
		}
		list[i] = fwk.NodeScore{Name: node.Node().Name, Score: value}
		raw[i] = value
	}
	if extensions := plugin.ScoreExtensions(); extensions != nil {
		if status := extensions.NormalizeScore(cy.ctx, state, cy.pod, list); !status.IsSuccess() {
			return status.AsError()
		}
	}
	for i, normalized := range list {
		scores := byName[normalized.Name].Scores
		score := scores[name]
		score.Raw, score.Normalized = raw[i], normalized.Score
		if score.Normalized*score.Weight != score.Weighted {
			return fmt.Errorf("node %s: %d times %d is not the framework's %d", normalized.Name, score.Normalized, score.Weight, score.Weighted)
		}
		scores[name] = score
	}
	return nil
}
