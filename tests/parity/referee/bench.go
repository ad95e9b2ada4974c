package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// benchWarmUps are untimed runs before the timed ones.
const benchWarmUps = 3

// Timing is one line of the benchmark's output.
type Timing struct {
	Namespace    string  `json:"namespace"`
	Name         string  `json:"name"`
	Runs         int     `json:"runs"`
	Nodes        int     `json:"nodes"`
	Feasible     int     `json:"feasible"`
	MedianMicros float64 `json:"medianMicros"`
	P99Micros    float64 `json:"p99Micros"`
	Error        string  `json:"error,omitempty"`
}

// benchCommand times the pods of the request in the file named by args.
func benchCommand(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	runs := flags.Int("n", 200, "timed runs for each pod")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || *runs < 1 {
		return errors.New("usage: referee bench [-n runs] FILE")
	}
	text, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return err
	}
	var request Request
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&request); err != nil {
		return err
	}
	cfg, err := loadConfig(request.Config)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	objects, err := loadObjects(request.Objects)
	if err != nil {
		return err
	}
	c, err := newCluster(cfg, cfg.Parallelism, objects)
	if err != nil {
		return err
	}
	defer c.close()
	encoder := json.NewEncoder(out)
	for _, key := range request.Pods {
		timing, err := c.time(key, *runs)
		if err != nil {
			return err
		}
		if err := encoder.Encode(timing); err != nil {
			return err
		}
	}
	return nil
}

// time runs the real scheduling algorithm for one pod.
func (c *cluster) time(key string, runs int) (Timing, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return Timing{}, err
	}
	pod, err := c.pods.Pods(namespace).Get(name)
	if err != nil {
		return Timing{}, err
	}
	profile, ok := c.scheduler.Profiles[pod.Spec.SchedulerName]
	if !ok {
		return Timing{}, fmt.Errorf("no profile %q", pod.Spec.SchedulerName)
	}
	timing := Timing{Namespace: namespace, Name: name, Runs: runs, Nodes: len(c.nodes)}
	cy := cycle{cluster: c, profile: profile, pod: pod}
	spent := make([]time.Duration, 0, runs)
	for i := range benchWarmUps + runs {
		state := newState()
		start := time.Now()
		result, err := cy.schedule(state)
		elapsed := time.Since(start)
		if i >= benchWarmUps {
			spent = append(spent, elapsed)
		}
		var fitError *framework.FitError
		if err != nil && !errors.As(err, &fitError) {
			timing.Error = err.Error()
		}
		timing.Feasible = result.FeasibleNodes
	}
	slices.Sort(spent)
	timing.MedianMicros = micros(spent[len(spent)/2])
	timing.P99Micros = micros(spent[(len(spent)*99)/100])
	return timing, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
