package main

import (
	"errors"
	"fmt"

	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/validation"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// loadConfig reads a KubeSchedulerConfiguration as kube-scheduler's --config does, and turns off node sampling.
func loadConfig(text string) (*config.KubeSchedulerConfiguration, error) {
	cfg, err := decodeConfig(text)
	if err != nil {
		return nil, err
	}
	if len(cfg.Extenders) != 0 {
		return nil, errors.New("extenders are not supported here")
	}
	if err := validation.ValidateKubeSchedulerConfiguration(cfg); err != nil {
		return nil, err
	}
	everyNode(cfg)
	return cfg, nil
}

func decodeConfig(text string) (*config.KubeSchedulerConfiguration, error) {
	if text == "" {
		return latest.Default()
	}
	object, kind, err := scheme.Codecs.UniversalDecoder().Decode([]byte(text), nil, nil)
	if err != nil {
		return nil, err
	}
	cfg, ok := object.(*config.KubeSchedulerConfiguration)
	if !ok {
		return nil, fmt.Errorf("a %s is no KubeSchedulerConfiguration", kind)
	}
	cfg.TypeMeta.APIVersion = kind.GroupVersion().String()
	return cfg, nil
}

// everyNode makes filtering, scoring and preemption look at all nodes instead of a sample that depends on chance.
func everyNode(cfg *config.KubeSchedulerConfiguration) {
	all := int32(100)
	cfg.PercentageOfNodesToScore = &all
	for i := range cfg.Profiles {
		profile := &cfg.Profiles[i]
		profile.PercentageOfNodesToScore = &all
		for _, plugin := range profile.PluginConfig {
			if args, ok := plugin.Args.(*config.DefaultPreemptionArgs); ok && plugin.Name == names.DefaultPreemption {
				args.MinCandidateNodesPercentage = all
			}
		}
	}
}
