package main

import "encoding/json"

// Request is one line of input; the package comment describes it.
type Request struct {
	ID      string            `json:"id"`
	Config  string            `json:"config"`
	Objects []json.RawMessage `json:"objects"`
	Pods    []string          `json:"pods"`
	Echo    bool              `json:"echo"`
}

// Answer is one line of output.
type Answer struct {
	ID        string     `json:"id"`
	Error     string     `json:"error,omitempty"`
	Decisions []Decision `json:"decisions,omitempty"`
	Objects   []any      `json:"objects,omitempty"`
}

// The values of Decision.Result.
const (
	resultFeasible      = "Feasible"
	resultUnschedulable = "Unschedulable"
	resultGated         = "Gated"
	resultError         = "Error"
)

// Decision is what kube-scheduler decides about one pod.
type Decision struct {
	Namespace      string         `json:"namespace"`
	Name           string         `json:"name"`
	SchedulerName  string         `json:"schedulerName"`
	Result         string         `json:"result"`
	Message        string         `json:"message"`
	GatedBy        string         `json:"gatedBy"`
	NominatedFirst bool           `json:"nominatedFirst"`
	Nodes          []NodeDecision `json:"nodes"`
	Preemption     *Preemption    `json:"preemption"`
}

// NodeDecision is the verdict on one node.
type NodeDecision struct {
	Name       string           `json:"name"`
	Feasible   bool             `json:"feasible"`
	RejectedBy string           `json:"rejectedBy"`
	Code       string           `json:"code"`
	Reasons    []string         `json:"reasons"`
	Scores     map[string]Score `json:"scores,omitempty"`
	Total      int64            `json:"total"`
}

// Score is one plugin's score of one node: as the plugin gave it, after its NormalizeScore, and times its weight.
type Score struct {
	Raw        int64 `json:"raw"`
	Normalized int64 `json:"normalized"`
	Weight     int64 `json:"weight"`
	Weighted   int64 `json:"weighted"`
}

// Preemption is the outcome of a PostFilter that nominated a node.
type Preemption struct {
	NominatedNode string      `json:"nominatedNode"`
	Candidates    []Candidate `json:"candidates"`
	Best          []string    `json:"best"`
}

// Candidate is a node where evicting the victims makes room for the pod.
type Candidate struct {
	Node             string   `json:"node"`
	Victims          []string `json:"victims"`
	NumPDBViolations int64    `json:"numPDBViolations"`
}
