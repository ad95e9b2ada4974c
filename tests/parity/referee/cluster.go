package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	corelisters "k8s.io/client-go/listers/core/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// syncTimeout bounds the wait for the informers; a fake clientset needs milliseconds.
const syncTimeout = time.Minute

// cluster is a kube-scheduler that knows the objects of one request and has taken its snapshot of them. Its scheduling loop
// never runs.
type cluster struct {
	ctx       context.Context
	cancel    context.CancelFunc
	informers informers.SharedInformerFactory
	scheduler *scheduler.Scheduler
	pods      corelisters.PodLister
	// nodes is the snapshot in kube-scheduler's own order.
	nodes []fwk.NodeInfo
	// plugins holds every profile's plugin instances by name.
	plugins map[string]map[string]fwk.Plugin
}

// newCluster builds a kube-scheduler over the objects. The caller closes it.
func newCluster(cfg *config.KubeSchedulerConfiguration, parallelism int32, objects []runtime.Object) (*cluster, error) {
	client := fake.NewSimpleClientset()
	for _, object := range objects {
		if !watched(object) {
			continue
		}
		if err := client.Tracker().Add(object); err != nil {
			return nil, err
		}
	}
	swallowWrites(client)
	listInOrder(client, objects)

	ctx, cancel := context.WithCancel(context.Background())
	c := &cluster{ctx: ctx, cancel: cancel, informers: scheduler.NewInformerFactory(client, 0)}
	c.pods = c.informers.Core().V1().Pods().Lister()
	noEvents := func(string) events.EventRecorderLogger { return &events.FakeRecorder{} }
	var err error
	c.scheduler, err = scheduler.New(ctx, client, c.informers, nil, noEvents,
		scheduler.WithComponentConfigVersion(cfg.TypeMeta.APIVersion),
		scheduler.WithProfiles(cfg.Profiles...),
		scheduler.WithPercentageOfNodesToScore(cfg.PercentageOfNodesToScore),
		scheduler.WithParallelism(parallelism),
	)
	if err != nil {
		cancel()
		return nil, err
	}
	if err := c.start(objects); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// listInOrder makes lists come in the order of the request, as an API server's come in one order: the tracker's own is that
// of a Go map. It decides which node reports an image first, and how pods that are equal to preemption are ordered.
func listInOrder(client *fake.Clientset, objects []runtime.Object) {
	place := map[string]int{}
	for i, object := range objects {
		if accessor, err := meta.Accessor(object); err == nil {
			place[accessor.GetNamespace()+"/"+accessor.GetName()] = i
		}
	}
	where := func(object runtime.Object) int {
		accessor, err := meta.Accessor(object)
		if err != nil {
			return len(objects)
		}
		return place[accessor.GetNamespace()+"/"+accessor.GetName()]
	}
	for resource, kind := range map[string]string{"nodes": "Node", "pods": "Pod"} {
		client.PrependReactor("list", resource, func(action clienttesting.Action) (bool, runtime.Object, error) {
			kind := v1.SchemeGroupVersion.WithKind(kind)
			list, err := client.Tracker().List(action.GetResource(), kind, metav1.NamespaceAll)
			if err != nil {
				return true, nil, err
			}
			items, err := meta.ExtractList(list)
			if err != nil {
				return true, nil, err
			}
			sort.SliceStable(items, func(i, j int) bool { return where(items[i]) < where(items[j]) })
			return true, list, meta.SetList(list, items)
		})
	}
}

// swallowWrites makes every later write succeed without effect. Preemption deletes its victims in the background; without
// this the next pod of the request would meet another cluster.
func swallowWrites(client *fake.Clientset) {
	client.PrependReactor("*", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		switch action.GetVerb() {
		case "get", "list", "watch":
			return false, nil, nil
		default:
			return true, nil, nil
		}
	})
}

// start runs the informers until the scheduler knows every object, and takes the snapshot.
func (c *cluster) start(objects []runtime.Object) error {
	c.informers.StartWithContext(c.ctx)
	if err := c.waitForSync(); err != nil {
		return err
	}
	if err := c.checkLoaded(objects); err != nil {
		return err
	}
	c.plugins = make(map[string]map[string]fwk.Plugin, len(c.scheduler.Profiles))
	for name, profile := range c.scheduler.Profiles {
		plugins, err := pluginsOf(profile)
		if err != nil {
			return err
		}
		c.plugins[name] = plugins
		// All profiles share the scheduler's one snapshot.
		snapshot, ok := profile.SnapshotSharedLister().(*internalcache.Snapshot)
		if !ok {
			return errors.New("the profile's lister is not the scheduler's snapshot")
		}
		if err := c.scheduler.Cache.UpdateSnapshot(klog.FromContext(c.ctx), snapshot); err != nil {
			return err
		}
		if c.nodes, err = snapshot.NodeInfos().List(); err != nil {
			return err
		}
	}
	return nil
}

// waitForSync waits for the informers' stores and for the scheduler's handlers behind them. The scheduler's own wait polls
// every 100 ms after a first look, so it is asked for first looks only.
func (c *cluster) waitForSync() error {
	ctx, cancel := context.WithTimeout(c.ctx, syncTimeout)
	defer cancel()
	if synced := c.informers.WaitForCacheSyncWithContext(ctx); synced.Err != nil {
		return synced.Err
	}
	for ctx.Err() == nil {
		look, done := context.WithTimeout(ctx, 200*time.Microsecond)
		err := c.scheduler.WaitForHandlersSync(look)
		done()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("the scheduler did not take in the objects within %s", syncTimeout)
}

// checkLoaded compares the scheduler's cache and queue with the input.
func (c *cluster) checkLoaded(objects []runtime.Object) error {
	nodes, assigned, pending := sets.New[string](), 0, 0
	for _, object := range objects {
		switch o := object.(type) {
		case *v1.Node:
			nodes.Insert(o.Name)
		case *v1.Pod:
			switch {
			case !watched(o):
			case o.Spec.NodeName != "":
				assigned++
				// A pod of an unknown node gives the cache a node entry without a node.
				nodes.Insert(o.Spec.NodeName)
			case c.scheduler.Profiles.HandlesSchedulerName(o.Spec.SchedulerName):
				pending++
			}
		}
	}
	gotPods, err := c.scheduler.Cache.PodCount()
	if err != nil {
		return err
	}
	queued, _ := c.scheduler.SchedulingQueue.PendingPods()
	got, want := [3]int{c.scheduler.Cache.NodeCount(), gotPods, len(queued)}, [3]int{len(nodes), assigned, pending}
	if got != want {
		return fmt.Errorf("the scheduler holds %v nodes, assigned pods and pending pods instead of %v", got, want)
	}
	return nil
}

// close stops every goroutine of the scheduler and of its informers.
func (c *cluster) close() {
	c.cancel()
	c.scheduler.SchedulingQueue.Close()
	if err := c.scheduler.Profiles.Close(); err != nil {
		klog.ErrorS(err, "Closing profiles")
	}
	c.informers.Shutdown()
}

// pluginsOf reads a profile's plugin instances out of the framework. Scores before normalising and preemption candidates
// need the instances themselves, and scheduler.New leaves no way in: it always builds them from its own registry.
func pluginsOf(profile framework.Framework) (map[string]fwk.Plugin, error) {
	value := reflect.ValueOf(profile)
	if value.Kind() != reflect.Pointer {
		return nil, fmt.Errorf("the framework is a %s", value.Kind())
	}
	field := value.Elem().FieldByName("pluginsMap")
	if !field.IsValid() {
		return nil, errors.New("the framework holds no pluginsMap")
	}
	// An unexported field may not be read through reflect unless the value is made anew from its address.
	plugins, ok := reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem().Interface().(map[string]fwk.Plugin)
	if !ok {
		return nil, fmt.Errorf("the framework's pluginsMap is a %s", field.Type())
	}
	return plugins, nil
}
