package main

import (
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// labelSelectorVector tells which label sets a metav1.LabelSelector matches. A selector that does not convert is not valid
// and matches nothing.
type labelSelectorVector struct {
	Selector *metav1.LabelSelector `json:"selector"`
	Valid    bool                  `json:"valid"`
	Empty    bool                  `json:"empty"`
	Matches  []bool                `json:"matches"`
}

var labelSets = []labels.Set{
	{}, {"app": "web"}, {"app": ""}, {"app": "db", "tier": "back"}, {"tier": "back"}, {"App": "web"}, {"app": "WEB"},
	{"example.com/app": "web"}, {"app": "web", "tier": "front", "n": "5"},
}

func labelSelectorVectors() ([]byte, error) {
	var selectors []*metav1.LabelSelector
	selectors = append(selectors, nil, &metav1.LabelSelector{},
		&metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		&metav1.LabelSelector{MatchLabels: map[string]string{"app": ""}},
		&metav1.LabelSelector{MatchLabels: map[string]string{"app": "web", "tier": "front"}},
		&metav1.LabelSelector{MatchLabels: map[string]string{"example.com/app": "web"}},
		&metav1.LabelSelector{MatchLabels: map[string]string{"bad key": "web"}},
		&metav1.LabelSelector{MatchLabels: map[string]string{"app": "bad value"}},
		&metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}, MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "tier", Operator: metav1.LabelSelectorOpDoesNotExist}}},
		&metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}, MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"web"}}}},
	)
	values := [][]string{nil, {}, {"web"}, {""}, {"web", "db"}, {"web", "web"}, {"WEB"}, {"5"}, {"bad value"}}
	for _, operator := range []metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Gt", "in", ""} {
		for _, value := range values {
			selectors = append(selectors, &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: "app", Operator: operator, Values: value}}})
		}
	}
	for _, key := range []string{"", "tier", "n", "example.com/app", "example.com/", "/app", "-app"} {
		selectors = append(selectors, &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: key, Operator: metav1.LabelSelectorOpNotIn, Values: []string{"web"}}}})
	}
	list := make([]labelSelectorVector, 0, len(selectors))
	for _, selector := range selectors {
		vector := labelSelectorVector{Selector: selector, Matches: make([]bool, len(labelSets))}
		if compiled, err := metav1.LabelSelectorAsSelector(selector); err == nil {
			vector.Valid, vector.Empty = true, compiled.Empty()
			for i, set := range labelSets {
				vector.Matches[i] = compiled.Matches(set)
			}
		}
		list = append(list, vector)
	}
	return withSubjects("labelSets", labelSets, list)
}

// nodeSelectorVector tells which nodes a pod with this node selector and required node affinity accepts, and whether the
// NodeSelector as a whole parses (a required term that does not parse is passed over, it does not reject the others).
type nodeSelectorVector struct {
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	Required     *v1.NodeSelector  `json:"required,omitempty"`
	Valid        bool              `json:"valid"`
	Matches      []bool            `json:"matches"`
}

// selectorNode is a node as these vectors see it.
type selectorNode struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

// numericLabels are the values of label n on the nodes num-0, num-1, ...
var numericLabels = []string{
	"5", "-5", "+5", "05", "6", "4", " 5", "5 ", "5.0", "0x10", "5e0", "", "x", "0", "-0", "9223372036854775807",
	"-9223372036854775808", "9223372036854775808", "1_0",
}

func selectorNodes() []selectorNode {
	nodes := []selectorNode{
		{Name: "bare", Labels: map[string]string{}},
		{Name: "east", Labels: map[string]string{"zone": "east", "disk": "ssd"}},
		{Name: "west", Labels: map[string]string{"zone": "west"}},
		{Name: "none", Labels: map[string]string{"zone": ""}},
	}
	for i, value := range numericLabels {
		nodes = append(nodes, selectorNode{Name: "num-" + string(rune('a'+i)), Labels: map[string]string{"n": value}})
	}
	return nodes
}

func nodeSelectorVectors() ([]byte, error) {
	nodes := selectorNodes()
	var list []nodeSelectorVector
	add := func(labels map[string]string, required *v1.NodeSelector) {
		list = append(list, nodeSelectorOn(nodes, labels, required))
	}
	add(nil, nil)
	add(map[string]string{"zone": "east"}, nil)
	add(map[string]string{"zone": ""}, nil)
	add(map[string]string{"zone": "east", "disk": "ssd"}, nil)
	add(map[string]string{"zone": "east", "disk": "hdd"}, nil)
	add(nil, &v1.NodeSelector{})
	expression := func(key string, operator v1.NodeSelectorOperator, values ...string) v1.NodeSelectorRequirement {
		return v1.NodeSelectorRequirement{Key: key, Operator: operator, Values: values}
	}
	labelTerm := func(requirements ...v1.NodeSelectorRequirement) v1.NodeSelectorTerm {
		return v1.NodeSelectorTerm{MatchExpressions: requirements}
	}
	fieldTerm := func(requirements ...v1.NodeSelectorRequirement) v1.NodeSelectorTerm {
		return v1.NodeSelectorTerm{MatchFields: requirements}
	}
	terms := func(terms ...v1.NodeSelectorTerm) *v1.NodeSelector { return &v1.NodeSelector{NodeSelectorTerms: terms} }

	for _, operator := range []v1.NodeSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "gt", ""} {
		for _, values := range [][]string{nil, {"east"}, {""}, {"east", "west"}} {
			add(nil, terms(labelTerm(expression("zone", operator, values...))))
		}
	}
	for _, operator := range []v1.NodeSelectorOperator{"Gt", "Lt"} {
		for _, value := range numericLabels {
			add(nil, terms(labelTerm(expression("n", operator, value))))
		}
		add(nil, terms(labelTerm(expression("n", operator, "4", "5"))))
	}
	for _, operator := range []v1.NodeSelectorOperator{"In", "NotIn", "Exists", "Gt"} {
		add(nil, terms(fieldTerm(expression("metadata.name", operator, "east"))))
		add(nil, terms(fieldTerm(expression("metadata.name", operator, "east", "west"))))
		add(nil, terms(fieldTerm(expression("metadata.name", operator))))
		add(nil, terms(fieldTerm(expression("spec.unschedulable", operator, "true"))))
	}
	east, bad := expression("zone", "In", "east"), expression("zone", "Gt", "x")
	west := expression("zone", "In", "west")
	badKey := expression("bad key", "Exists")
	add(nil, terms(v1.NodeSelectorTerm{}))
	add(nil, terms(v1.NodeSelectorTerm{}, labelTerm(east)))
	add(nil, terms(labelTerm(east), labelTerm(west)))
	add(nil, terms(labelTerm(east, west)))
	add(nil, terms(labelTerm(east, expression("disk", "Exists"))))
	add(nil, terms(labelTerm(bad), labelTerm(east)))
	add(nil, terms(labelTerm(east), labelTerm(badKey)))
	add(nil, terms(labelTerm(badKey)))
	add(nil, terms(labelTerm(east, bad)))
	add(nil, terms(v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{east},
		MatchFields: []v1.NodeSelectorRequirement{expression("metadata.name", "In", "west")}}))
	add(nil, terms(fieldTerm(expression("metadata.name", "In", "east"), expression("metadata.name", "NotIn", "west"))))
	add(map[string]string{"zone": "west"}, terms(labelTerm(east), labelTerm(west)))
	return withSubjects("nodes", nodes, list)
}

func nodeSelectorOn(nodes []selectorNode, labels map[string]string, required *v1.NodeSelector) nodeSelectorVector {
	vector := nodeSelectorVector{NodeSelector: labels, Required: required, Valid: true}
	pod := &v1.Pod{Spec: v1.PodSpec{NodeSelector: labels}}
	if required != nil {
		pod.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}}
		_, err := nodeaffinity.NewNodeSelector(required)
		vector.Valid = err == nil
	}
	affinity := nodeaffinity.GetRequiredNodeAffinity(pod)
	for _, node := range nodes {
		// The error speaks of terms that do not parse; the plugins look at the verdict only.
		matches, _ := affinity.Match(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: node.Name, Labels: node.Labels}})
		vector.Matches = append(vector.Matches, matches)
	}
	return vector
}

// tolerationVector tells which taints a toleration tolerates.
type tolerationVector struct {
	Toleration v1.Toleration `json:"toleration"`
	Tolerates  []bool        `json:"tolerates"`
}

func tolerationVectors() ([]byte, error) {
	var taints []v1.Taint
	for _, key := range []string{"k", "other"} {
		for _, value := range []string{"v", ""} {
			for _, effect := range []v1.TaintEffect{v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute} {
				taints = append(taints, v1.Taint{Key: key, Value: value, Effect: effect})
			}
		}
	}
	taints = append(taints, v1.Taint{Key: "k", Value: "5", Effect: v1.TaintEffectNoSchedule})
	var list []tolerationVector
	for _, key := range []string{"", "k"} {
		for _, operator := range []v1.TolerationOperator{"", v1.TolerationOpEqual, v1.TolerationOpExists, v1.TolerationOpLt, v1.TolerationOpGt, "equal"} {
			for _, value := range []string{"", "v", "4"} {
				for _, effect := range []v1.TaintEffect{"", v1.TaintEffectNoSchedule, v1.TaintEffectNoExecute} {
					vector := tolerationVector{Toleration: v1.Toleration{Key: key, Operator: operator, Value: value, Effect: effect}}
					for _, taint := range taints {
						// The comparison operators are an alpha feature, off by default.
						vector.Tolerates = append(vector.Tolerates, vector.Toleration.ToleratesTaint(klog.Background(), &taint, false))
					}
					list = append(list, vector)
				}
			}
		}
	}
	return withSubjects("taints", taints, list)
}

// withSubjects renders {"<name>": subjects, "vectors": [...]}, where each vector's verdicts go by the index of the subject.
func withSubjects[S, V any](name string, subjects S, vectors []V) ([]byte, error) {
	head, err := compact(subjects)
	if err != nil {
		return nil, err
	}
	body, err := jsonLines(vectors)
	if err != nil {
		return nil, err
	}
	text := append([]byte(`{"`+name+`": `), head...)
	text = append(text, ",\n\"vectors\": "...)
	text = append(text, body[:len(body)-1]...)
	return append(text, "}\n"...), nil
}
